"""Agreement of ordered grades: quadratic weighted kappa with an interval by patient."""

from __future__ import annotations

import numpy as np

from audits.fairness.frame import Family, Frame
from audits.fairness.means import linear, linear_estimates
from audits.fairness.types import FloatArray
from audits.types import Estimate


def kappa_estimates(frame: Frame, family: Family) -> list[Estimate]:
    """Return Cohen's kappa with quadratic weights in every group.

    With squared distances between grades as weights, chance disagreement has the closed form
    E = Var(ŷ) + Var(y) + (mean ŷ - mean y)², so kappa = 1 - mean (ŷ - y)² / E (Fleiss and Cohen,
    Educ Psychol Meas 1973). Its error is that of the influence function, summed by patient.

    Args:
        frame: The rows; label and score are grades.
        family: The groups.
    """
    n = family.sum_rows()
    ours, theirs = _centred(family, frame.score, n), _centred(family, frame.y, n)
    shift = _mean(family, frame.score, n) - _mean(family, frame.y, n)
    spread = [_mean(family, part * part, n) for part in (ours, theirs)]
    squared = (frame.score - frame.y) ** 2
    seen, chance = _mean(family, squared, n), spread[0] + spread[1] + shift**2
    moved = ours**2 + theirs**2 + 2 * _of_rows(family, shift) * (ours - theirs)
    moved -= _of_rows(family, spread[0] + spread[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(chance > 0, 1 - seen / chance, np.nan)
        slope = _of_rows(family, seen / chance) * moved - (squared - _of_rows(family, seen))
        influence = slope / _of_rows(family, chance * n)

    def undefined(index: int) -> str:
        return "no cases" if n[index] == 0 else "every label and score is the same grade"

    measured = linear(family, value, influence)
    return linear_estimates(frame, measured, undefined=undefined, bounds=(-1.0, 1.0))


def _of_rows(family: Family, values: FloatArray) -> FloatArray:
    """Return each row's group's value; NaN where a row is in no group."""
    return np.asarray(np.append(values, np.nan)[family.code])


def _mean(family: Family, values: FloatArray, n: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, family.sum_rows(values) / n, np.nan)


def _centred(family: Family, values: FloatArray, n: FloatArray) -> FloatArray:
    return values - _of_rows(family, _mean(family, values, n))
