"""Two versions on the same patients: better for whom, worse for whom."""

from __future__ import annotations

from audits.comparison.compare import Comparison, compare_outputs
from audits.comparison.joining import Version, join_versions

__all__ = ["Comparison", "Version", "compare_outputs", "join_versions"]
