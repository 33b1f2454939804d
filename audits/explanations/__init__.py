"""Why a model gave a case its score, and whether that explanation may be trusted.

One estimand for clinical variables: interventional Shapley values in log-odds or native units,
against a named and hashed background, with standard errors. Maps of images stand beside them and
are labelled as not additive. Every explanation carries the checks of itself.
"""

from audits.explanations.case import explain_adapter_case, explain_case, methods_for
from audits.explanations.cohort import explain_cohort_sample
from audits.explanations.result import (
    BackgroundId,
    CaseExplanation,
    Check,
    PlayerEffect,
    Score,
    SpatialMap,
)

__all__ = [
    "BackgroundId",
    "CaseExplanation",
    "Check",
    "PlayerEffect",
    "Score",
    "SpatialMap",
    "explain_adapter_case",
    "explain_case",
    "explain_cohort_sample",
    "methods_for",
]
