"""Which verdict metrics fit an output, and what a reader must know of those that do not."""

from __future__ import annotations

from audits.fairness.frame import Frame
from audits.fairness.number_errors import ERROR_BOUNDS
from audits.fairness.tasks import statistics_of, task_of, verdicts_of
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
    task = task_of(frame)
    if task is not None:
        return _of_task(frame, task, name, policy)
    if frame.regression:
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


def _of_task(frame: Frame, task: str, name: str, policy: Policy) -> list[Finding]:
    """Say which metrics of such a task get a verdict, where the policy names none that fits."""
    found = statistics_of(frame, None)
    chosen = verdicts_of(frame, policy, found)
    if task == "weighted" or set(chosen) & set(policy.verdict_metrics):
        return []
    said = ", ".join(statistic.metric for statistic in found)
    told = f"{', '.join(chosen)} is" if len(chosen) == 1 else f"{', '.join(chosen)} are"
    return [
        Finding(
            severity="info",
            where=f"{name}: verdict metrics",
            message=f"The policy's verdict metrics fit no {task} output, so {told} compared, as "
            "task_metrics declares."
            if chosen
            else f"Not compared between groups: name one of {said} in verdict_metrics, with a "
            "margin.",
        )
    ]
