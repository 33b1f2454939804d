"""Explanations as DICOM objects that a hospital's archive and viewers read.

Projection images get a Segmentation, a Secondary Capture and a structured report; CT and MR a
Segmentation, a Parametric Map and a structured report (IHE AI Results: report as root).
"""

from __future__ import annotations

from audits.reporting.dicom.write import write_dicom

__all__ = ["write_dicom"]
