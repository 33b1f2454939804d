"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from audits.reporting.html.render import report_html

__all__ = ["report_html"]
