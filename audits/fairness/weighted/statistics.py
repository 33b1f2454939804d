"""The metrics of a weighted binary output."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.rates import DENOMINATORS, NEEDS_NO_THRESHOLD, predicted_positive
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.types import IntArray
from audits.fairness.weighted.calibration import (
    weighted_ece,
    weighted_intercept,
    weighted_oe,
    weighted_slope,
)
from audits.fairness.weighted.mass import weighted_mean
from audits.fairness.weighted.ranking import weighted_auroc, weighted_average_precision
from audits.fairness.weighted.rates import weighted_rate

NO_THRESHOLD = "no threshold is declared"
NO_PROBABILITY = "the scores are not probabilities"


def weighted_statistics(frame: Frame, threshold: float | None) -> tuple[Statistic, ...]:
    """Return every binary metric of the contract, weighted.

    Args:
        frame: The rows with their weights.
        threshold: Predicted positive means score >= threshold; None where none is declared.
    """
    predicted = predicted_positive(frame, threshold)
    rates = [
        Statistic(
            metric=metric,
            of=_why_not(NO_THRESHOLD)
            if threshold is None and metric not in NEEDS_NO_THRESHOLD
            else weighted_rate(frame, metric, predicted),
            bounds=(0.0, 1.0),
            what=DENOMINATORS[metric],
        )
        for metric in DENOMINATORS
    ]
    area = Statistic(
        metric="auroc",
        of=partial(weighted_auroc, frame),
        scale="logit",
        bounds=(0.0, 1.0),
        what="cases of the smaller class",
        per_class=True,
    )
    precision = Statistic(
        metric="auprc",
        of=partial(weighted_average_precision, frame),
        scale="logit",
        bounds=(0.0, 1.0),
        what="cases of the smaller class",
    )
    return (*rates, area, precision, *_calibration(frame, threshold))


def _calibration(frame: Frame, threshold: float | None) -> list[Statistic]:
    found: dict[str, Callable[[IntArray], Point]] = {
        "brier": weighted_mean(frame, (frame.score - frame.y) ** 2),
        "ece_debiased": partial(weighted_ece, frame),
        "calibration_slope": partial(weighted_slope, frame),
        "calibration_intercept": partial(weighted_intercept, frame),
        "oe_ratio": partial(weighted_oe, frame),
        "net_benefit": _net_benefit(frame, threshold),
    }
    if not frame.probabilities:
        found = dict.fromkeys(found, _why_not(NO_PROBABILITY))
    bounds = {"brier": (0.0, 1.0), "oe_ratio": (0.0, np.inf), "net_benefit": (-np.inf, 1.0)}
    return [
        Statistic(
            metric=metric,
            of=of,
            scale="log" if metric == "oe_ratio" else "plain",
            bounds=bounds.get(metric, (-np.inf, np.inf)),
            what="observed events" if metric == "oe_ratio" else "cases",
        )
        for metric, of in found.items()
    ]


def _net_benefit(frame: Frame, threshold: float | None) -> Callable[[IntArray], Point]:
    if threshold is None:
        return _why_not(NO_THRESHOLD)
    if not 0 < threshold < 1:
        return _why_not("the threshold lies outside (0, 1)")
    odds = threshold / (1 - threshold)
    predicted = predicted_positive(frame, threshold)
    gain = np.where(predicted, np.where(frame.positive, 1.0, -odds), 0.0)
    return weighted_mean(frame, gain)


def _why_not(reason: str) -> Callable[[IntArray], Point]:
    return lambda rows: undefined(rows, reason)
