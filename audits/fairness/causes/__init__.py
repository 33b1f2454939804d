"""Why groups differ: case mix, prevalence, labels, missing values, who is in the data.

Everything here is descriptive. Verdicts come from :func:`audits.fairness.audit_fairness` alone.
"""

from __future__ import annotations

from audits.fairness.causes.explain import explain_gaps, not_available, why_not
from audits.fairness.causes.rows import Column, Context, Rows, build_rows

__all__ = ["Column", "Context", "Rows", "build_rows", "explain_gaps", "not_available", "why_not"]
