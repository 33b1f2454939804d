"""Weighted calibration of any rows: debiased error, slope and intercept, observed over expected."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from audits.fairness.calibration import CLIP, MAX_BINS, ROWS_PER_BIN
from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import FloatArray, IntArray
from audits.fairness.weighted.mass import kish_size, weights_of

_ITERATIONS = 60
_TOLERANCE = 1e-10
_STEP = 2.0


def weighted_oe(frame: Frame, rows: IntArray) -> Point:
    """Return weighted observed events over the weighted sum of predicted risks."""
    weight, y, p = weights_of(frame)[rows], frame.y[rows], frame.score[rows]
    if len(rows) == 0:
        return undefined(rows, "no cases")
    expected, observed = float(weight @ p), float(weight @ y)
    if expected == 0:
        return undefined(rows, "no expected events")
    if observed == 0:
        return undefined(rows, f"no observed events against {expected:.3g} expected")
    value = observed / expected
    influence = weight * (y - value * p) / expected
    return Point(value=value, influence=influence, fewest=kish_size(weight[y == 1]))


def weighted_ece(frame: Frame, rows: IntArray) -> Point:
    """Return the debiased squared calibration error over up to ten bins of equal weight.

    A bin's own noise ȳ(1 - ȳ)/(n - 1) is taken off with n its effective size.
    """
    weight, y, p = weights_of(frame)[rows], frame.y[rows], frame.score[rows]
    if len(rows) < 2:  # noqa: PLR2004 - one case has no variance to take off
        return undefined(rows, "fewer than two cases")
    bins = int(np.clip(kish_size(weight) // ROWS_PER_BIN, 1, MAX_BINS))
    distinct, level = np.unique(p, return_inverse=True)
    level = level.reshape(-1)
    held = np.bincount(level, weight, len(distinct))
    middle = (np.cumsum(held) - held / 2) / held.sum()
    of_row = np.minimum((middle * bins).astype(np.int64), bins - 1)[level]
    mass = np.bincount(of_row, weight, bins)
    safe = np.where(mass > 0, mass, 1.0)
    rate = np.bincount(of_row, weight * y, bins) / safe
    gap = np.bincount(of_row, weight * (p - y), bins) / safe
    size = mass**2 / np.where(mass > 0, np.bincount(of_row, weight**2, bins), 1.0)
    noise = np.where(size > 1, rate * (1 - rate) / np.where(size > 1, size - 1, 1.0), 0.0)
    share = mass / mass.sum()
    plain = float(share @ gap**2)
    moved = 2 * gap[of_row] * (p - y) - gap[of_row] ** 2 - plain
    return Point(
        value=float(share @ (gap**2 - noise)),
        influence=weight * moved / mass.sum(),
        fewest=kish_size(weight),
    )


def weighted_slope(frame: Frame, rows: IntArray) -> Point:
    """Return the slope of logit P(y = 1) on logit(p)."""
    return _logistic(frame, rows, part=1)


def weighted_intercept(frame: Frame, rows: IntArray) -> Point:
    """Return the intercept of logit P(y = 1) on logit(p)."""
    return _logistic(frame, rows, part=0)


def _logistic(frame: Frame, rows: IntArray, *, part: int) -> Point:
    """Fit by Newton's method; the influence is the sandwich's."""
    weight, y = weights_of(frame)[rows], frame.y[rows]
    x = logit(np.clip(frame.score[rows], CLIP, 1 - CLIP))
    why = _unfit(x, y)
    if why is not None:
        return undefined(rows, why)
    design, beta = np.column_stack((np.ones(len(x)), x)), np.array([0.0, 1.0])
    for _ in range(_ITERATIONS):
        mu = expit(design @ beta)
        hessian = design.T @ (design * (weight * mu * (1 - mu))[:, None])
        step = np.linalg.solve(hessian, design.T @ (weight * (y - mu)))
        beta = beta + np.clip(step, -_STEP, _STEP)
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    else:
        return undefined(rows, "the fit does not settle")
    mu = expit(design @ beta)
    hessian = design.T @ (design * (weight * mu * (1 - mu))[:, None])
    scores = design * (weight * (y - mu))[:, None]
    influence = np.linalg.solve(hessian, scores.T)[part]
    fewest = min(kish_size(weight[y == 1]), kish_size(weight[y == 0]))
    return Point(value=float(beta[part]), influence=influence, fewest=fewest)


def _unfit(x: FloatArray, y: FloatArray) -> str | None:
    """Return why no slope exists, or None."""
    if len(x) == 0:
        return "no cases"
    positive = y == 1
    if not positive.any() or positive.all():
        return "no negatives" if positive.any() else "no positives"
    if float(np.ptp(x)) == 0:
        return "all scores are the same"
    ahead = float(x[~positive].max()) > float(x[positive].min())
    behind = float(x[positive].max()) > float(x[~positive].min())
    return None if ahead and behind else "the scores separate the classes perfectly"
