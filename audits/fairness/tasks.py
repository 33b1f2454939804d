"""Which statistics an output has where counts alone do not carry it, and which get a verdict."""

from __future__ import annotations

from functools import partial

from audits.fairness.frame import Frame
from audits.fairness.number_errors import ERROR_BOUNDS, number_errors
from audits.fairness.ordinal import kappa_of
from audits.fairness.regions.detection import Marks, froc_statistic
from audits.fairness.regions.measures import CaseMeasures, measure_statistics
from audits.fairness.statistics.point import Statistic
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.fairness.survival.statistics import survival_statistics
from audits.fairness.weighted.mass import weighted_mean, weights_of
from audits.fairness.weighted.statistics import weighted_statistics
from audits.policy import Policy


def task_of(frame: Frame) -> str | None:
    """Return the task that statistics measure, or None where counts carry the output."""
    if isinstance(frame.details, SurvivalOutcome):
        return "survival"
    if isinstance(frame.details, CaseMeasures):
        return "segmentation"
    if isinstance(frame.details, Marks):
        return "detection"
    if frame.ordinal:
        return "ordinal"
    if frame.regression and frame.weight is not None:
        return "regression"
    return "weighted" if frame.weight is not None else None


def statistics_of(frame: Frame, threshold: float | None) -> tuple[Statistic, ...]:
    """Return every metric of an output that counts do not carry.

    Args:
        frame: The rows.
        threshold: Of a weighted binary output.
    """
    details = frame.details
    if isinstance(details, SurvivalOutcome):
        return survival_statistics(frame, details)
    if isinstance(details, CaseMeasures):
        return measure_statistics(details, weights_of(frame))
    if isinstance(details, Marks):
        return (froc_statistic(frame, details),)
    if frame.ordinal:
        of = partial(kappa_of, frame)
        return (Statistic(metric="kappa_w", of=of, bounds=(-1.0, 1.0)),)
    if frame.regression:
        return tuple(
            Statistic(metric=metric, of=weighted_mean(frame, values), bounds=ERROR_BOUNDS[metric])
            for metric, values in number_errors(frame).items()
        )
    return weighted_statistics(frame, threshold)


def verdicts_of(frame: Frame, policy: Policy, statistics: tuple[Statistic, ...]) -> tuple[str, ...]:
    """Return the metrics that get a verdict: those declared, else those declared for the task.

    Args:
        frame: The rows.
        policy: The declaration.
        statistics: What the output has.
    """
    names = [statistic.metric for statistic in statistics]
    asked = tuple(metric for metric in policy.verdict_metrics if metric in names)
    of_task = tuple(m for m in policy.task_metrics.get(task_of(frame) or "", ()) if m in names)
    details = frame.details
    risks = details.probabilities if isinstance(details, SurvivalOutcome) else frame.probabilities
    if not risks:
        asked, of_task = _ranked(asked), _ranked(of_task)
    return asked or of_task


def _ranked(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Return the metrics that need no predicted risk."""
    return tuple(metric for metric in metrics if metric not in ("oe_ratio", "oe_t", "brier_t"))
