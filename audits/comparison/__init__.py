"""Two versions on the same patients: better for whom, worse for whom."""

from __future__ import annotations

from audits.comparison.compare import Comparison, compare_outputs
from audits.comparison.joining import Joined, Version, join_versions
from audits.comparison.layout import Layout, LayoutMaker
from audits.comparison.pair import METRICS, NUMBER_METRICS, Pair
from audits.comparison.paired import PairedComparison

__all__ = [
    "METRICS",
    "NUMBER_METRICS",
    "Comparison",
    "Joined",
    "Layout",
    "LayoutMaker",
    "Pair",
    "PairedComparison",
    "Version",
    "compare_outputs",
    "join_versions",
]
