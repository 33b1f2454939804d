"""Weighted sums, Kish's effective size, and weighted means with their influence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import FloatArray, IntArray


def weights_of(frame: Frame) -> FloatArray:
    """Return the weight of each row, 1 where none is declared."""
    return np.ones(frame.n) if frame.weight is None else frame.weight


def kish_size(weight: FloatArray) -> float:
    """Return (Σw)²/Σw², the equally weighted cases that are worth as much (Kish 1965)."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def kish_patients(weight: FloatArray, patient: IntArray, rho: float) -> float:
    """Return the effective size where rows of a patient correlate by rho.

    (Σw)² / [Σw² + rho (ΣW² - Σw²)], W a patient's total; with equal weights this is n/deff of the
    unweighted audit.
    """
    squares = float(weight @ weight)
    if squares == 0:
        return 0.0
    of_patient = np.bincount(patient, weight)
    within = float(of_patient @ of_patient) - squares
    return float(weight.sum()) ** 2 / (squares + rho * within)


def weighted_mean(
    frame: Frame, values: FloatArray, *, needs: str = "cases"
) -> Callable[[IntArray], Point]:
    """Return the weighted mean of per-row values as a function of the rows."""
    weight = weights_of(frame)

    def of(rows: IntArray) -> Point:
        if len(rows) == 0:
            return undefined(rows, f"no {needs}")
        share = weight[rows] / weight[rows].sum()
        mean = float(share @ values[rows])
        return Point(
            value=mean,
            influence=share * (values[rows] - mean),
            fewest=kish_size(weight[rows]),
        )

    return of
