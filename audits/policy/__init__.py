"""The declaration of an audit: what is tested, against which margins, before results exist.

A policy is read once, hashed into the run and never consulted by anything that was computed
first: groups, metrics, thresholds and margins that it does not name are exploratory.
"""

from __future__ import annotations

from audits.policy.loading import load_policy
from audits.policy.schema import RATE_METRICS, VERDICT_METRICS, GateRule, Policy

__all__ = ["RATE_METRICS", "VERDICT_METRICS", "GateRule", "Policy", "load_policy"]
