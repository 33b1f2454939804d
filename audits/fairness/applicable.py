"""Which verdict metrics fit an output, and what a reader must know of those that do not."""

from __future__ import annotations

from audits.fairness.frame import Frame
from audits.fairness.number_errors import ERROR_BOUNDS
from audits.policy import Policy
from audits.types import Finding


def metric_findings(frame: Frame, name: str, policy: Policy) -> list[Finding]:
    """Return a finding for the verdict metrics that give no comparison on such an output.

    Args:
        frame: Rows of the output.
        name: Name of the output.
        policy: Declares the verdict metrics.
    """
    declared = policy.verdict_metrics
    if frame.ordinal:
        left = list(declared)
        why = "The output is a grade: kappa_w is reported for every group and gets no verdict."
    elif frame.regression:
        left = [metric for metric in declared if metric not in ERROR_BOUNDS]
        why = "The output is a number: name mae or bias, with a margin in its unit."
    else:
        left = [metric for metric in declared if metric in ERROR_BOUNDS]
        why = "The output is a class: name a rate, auroc or oe_ratio."
        if "oe_ratio" in declared and not frame.probabilities:
            why = "The scores are not probabilities." if not left else why
            left.append("oe_ratio")
    if not left:
        return []
    return [
        Finding(
            severity="warning" if len(left) == len(declared) else "info",
            where=f"{name}: verdict metrics",
            message=f"Not compared between groups: {', '.join(left)}. {why}",
        )
    ]
