"""Weighted rates at the threshold, with Wilson limits on an effective count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.rates import DENOMINATORS
from audits.fairness.ratios import Sums, pooled_icc
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import BoolArray, IntArray
from audits.fairness.weighted.mass import kish_patients, weights_of

_BOTH = 3
"""Cases of each outcome from which the residuals' own variance may narrow the effective count."""


def rate_masks(frame: Frame, metric: str, predicted: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return which rows are the denominator of a rate, and which of them its numerator."""
    true, everybody = frame.positive, np.ones(frame.n, dtype=np.bool_)
    return {
        "tpr": (true, predicted),
        "fnr": (true, ~predicted),
        "fpr": (~true, predicted),
        "tnr": (~true, ~predicted),
        "ppv": (predicted, true),
        "npv": (~predicted, ~true),
        "accuracy": (everybody, predicted == true),
        "selection_rate": (everybody, predicted),
        "prevalence": (everybody, true),
    }[metric]


def weighted_rate(frame: Frame, metric: str, predicted: BoolArray) -> Callable[[IntArray], Point]:
    """Return a weighted rate as a function of the rows.

    The effective count is Kish's, with the correlation within patients pooled over the cohort;
    where both outcomes are there often enough, the linearised variance may only lower it (Korn
    and Graubard 1998).
    """
    base, hit = rate_masks(frame, metric, predicted)
    weight, rho = weights_of(frame), pooled_correlation(frame, base, hit)

    def of(rows: IntArray) -> Point:
        used = base[rows]
        if not used.any():
            return undefined(rows, f"no {DENOMINATORS[metric]}")
        mass = np.where(used, weight[rows], 0.0)
        total, success = float(mass.sum()), hit[rows] & used
        value = float(mass @ success) / total
        influence = mass * (success - value) / total
        k, n = int(success.sum()), int(used.sum())
        inside = rows[used]
        effective = kish_patients(weight[inside], frame.patient[inside], rho)
        if min(k, n - k) >= _BOTH and float(np.ptp(weight[inside])) > 0:
            flow = np.bincount(frame.patient[rows], influence)
            effective = min(effective, value * (1 - value) / float(flow @ flow))
        return Point(
            value=value,
            influence=influence,
            fewest=effective,
            counts=(k, n),
            n=n,
            effective=effective,
        )

    return of


def pooled_correlation(frame: Frame, base: BoolArray, hit: BoolArray) -> float:
    """Return the correlation of a rate's outcome within patients, pooled over the cohort."""
    if not frame.clustered:
        return 0.0
    m = np.bincount(frame.patient, base, frame.patients).astype(np.float64)
    x = np.bincount(frame.patient, base & hit, frame.patients).astype(np.float64)
    sums = Sums(
        **{
            name: np.array([float(values.sum())])
            for name, values in {
                "k": x,
                "n": m,
                "patients": m > 0,
                "xx": x * x,
                "xm": x * m,
                "mm": m * m,
            }.items()
        }
    )
    return pooled_icc(x, m, sums)
