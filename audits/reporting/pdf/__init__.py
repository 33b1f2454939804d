"""The report as PDF/A-3a: tagged, with its evidence attached and its own digest inside."""

from __future__ import annotations

from audits.reporting.pdf.render import report_pdf

__all__ = ["report_pdf"]
