"""Runs: from a study or a table of scores to a run folder, in one call."""

from __future__ import annotations

from audits.running.comparison import ComparisonResult, run_predictions_comparison
from audits.running.predictions import AuditResult, audit_table, run_predictions_audit
from audits.running.study import run_study_audit

__all__ = [
    "AuditResult",
    "ComparisonResult",
    "audit_table",
    "run_predictions_audit",
    "run_predictions_comparison",
    "run_study_audit",
]
