"""Subgroup audits: every metric with its interval, every group, one confirmatory set.

:func:`audit_fairness` is the only way from scores to verdicts; whatever shows a number of it
reads :class:`FairnessResult`.
"""

from __future__ import annotations

from audits.fairness.audit import audit_fairness
from audits.fairness.explore import (
    Exploration,
    TableExplorer,
    ThresholdExplorer,
)
from audits.fairness.frame import BINARY_TASKS, DETAILED_TASKS, NUMBER_TASKS, check_task
from audits.fairness.types import (
    Comparison,
    FairnessResult,
    GroupResult,
    Heterogeneity,
    OutputResult,
    ScoredOutput,
)

__all__ = [
    "BINARY_TASKS",
    "DETAILED_TASKS",
    "NUMBER_TASKS",
    "Comparison",
    "Exploration",
    "FairnessResult",
    "GroupResult",
    "Heterogeneity",
    "OutputResult",
    "ScoredOutput",
    "TableExplorer",
    "ThresholdExplorer",
    "audit_fairness",
    "check_task",
]
