"""The change of the calibration slope in every group.

Each version's slope b is that of logit P(y = 1) = a + b · logit(p) (Cox, Biometrika 45 (1958)
562-565); its influence on a row is the row's score times the inverse information. The fit is made
on score bins and finished by one step on the rows themselves, which squares what the bins left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import expit, logit

from audits.comparison.layout import Bools, Floats, Split

CLIP = 1e-15
BINS = 1_024
_ITERATIONS = 40
_STEP = 2.0
_CLOSE = 1e-11
_STRETCH = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeChange:
    """Both versions' slopes, (2, groups), and the variance of their difference, (groups,)."""

    values: Floats
    variance: Floats


def logits_of(score: Floats) -> Floats:
    """Return the log-odds of probabilities, (n,); 0 and 1 stay finite."""
    return np.asarray(logit(np.clip(score, CLIP, 1 - CLIP)))


def slope_change(split: Split, positive: Bools, logits: tuple[Floats, Floats]) -> SlopeChange:
    """Return both versions' calibration slopes in every group.

    Args:
        split: The groups.
        positive: (n,) labels.
        logits: (n,) log-odds of base and candidate.

    Returns:
        NaN where a group's slope does not exist: one class only, scores that part the classes or
        do not vary.
    """
    y = positive[split.rows].astype(np.float64)
    flows, values = [], []
    for version in logits:
        x = version[split.rows]
        flow = np.empty(len(x))
        slope = np.empty(split.size)
        for group, (start, end) in enumerate(pairwise(split.row_bounds.tolist())):
            part = slice(start, end)
            slope[group], flow[part] = _fit(x[part], y[part])
        flows.append(flow)
        values.append(slope)
    change = np.nan_to_num(flows[1] - flows[0])
    if split.starts is not None:
        change = np.add.reduceat(change, split.starts)
    squares = split.over_groups(change * change)
    patients = np.diff(split.bounds)
    with np.errstate(divide="ignore", invalid="ignore"):
        return SlopeChange(values=np.stack(values), variance=patients / (patients - 1) * squares)


def _fit(x: Floats, y: Floats) -> tuple[float, Floats]:
    """Return the slope and each row's influence on it."""
    none = np.zeros(len(x))
    if len(x) == 0 or x.max() - x.min() < _CLOSE:
        return float("nan"), none
    at, counts, events = _binned(x, y)
    if not (_overlap(at, counts, events) or _exists(x, y)):
        return float("nan"), none
    start = _newton(at, counts, events)
    if start is None:
        return float("nan"), none
    intercept, slope = start
    # In stretches that stay in the cache: several passes over each.
    parts = [slice(at, at + _STRETCH) for at in range(0, len(x), _STRETCH)]
    information, gap = np.zeros((2, 2)), np.zeros(2)
    flow = np.empty(len(x))
    for part in parts:
        flow[part], weight = _residual(x[part], y[part], intercept, slope)
        information += _information(x[part], weight)
        gap += flow[part].sum(), flow[part] @ x[part]
    inverse = _inverse(information)
    step = inverse @ gap
    for part in parts:
        # The residuals stay those of the bins' fit, nearer than any standard error can tell.
        flow[part] *= inverse[1, 0] + inverse[1, 1] * x[part]
    flow -= flow.mean()
    return slope + float(step[1]), flow


def _overlap(at: Floats, counts: Floats, events: Floats) -> bool:
    """Return whether the bins already show that neither class lies beyond the other."""
    up, down = at[events > 0], at[events < counts]
    if len(up) == 0 or len(down) == 0:
        return False
    return bool(up.min() < down.max() and down.min() < up.max())


def _exists(x: Floats, y: Floats) -> bool:
    """Return whether a largest likelihood exists (Albert & Anderson, Biometrika 71 (1984))."""
    up, down = x[y == 1], x[y == 0]
    if len(up) == 0 or len(down) == 0:
        return False
    return bool(up.min() < down.max() and down.min() < up.max())


def _binned(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean score, rows and events of bins; the rows themselves where they are few."""
    if len(x) <= BINS:
        return x, np.ones(len(x)), y
    low, high = float(x.min()), float(x.max())
    place = ((x - low) * (BINS / (high - low))).astype(np.int64)
    np.minimum(place, BINS - 1, out=place)
    counts = np.bincount(place, minlength=BINS).astype(np.float64)
    used = counts > 0
    at = np.bincount(place, x, BINS)[used] / counts[used]
    events = np.asarray(np.bincount(place, y, BINS)[used], dtype=np.float64)
    return at, counts[used], events


def _newton(x: Floats, counts: Floats, events: Floats) -> tuple[float, float] | None:
    point = np.array([0.0, 1.0])
    for _ in range(_ITERATIONS):
        mean = expit(point[0] + point[1] * x)
        gap, weight = events - counts * mean, counts * mean * (1 - mean)
        step = _inverse(_information(x, weight)) @ np.array([gap.sum(), gap @ x])
        size = float(np.abs(step).max())
        if not np.isfinite(size):
            return None
        point += step * min(1.0, _STEP / size) if size else step
        if size < _CLOSE * (1 + abs(point[1])):
            return float(point[0]), float(point[1])
    return None


def _residual(x: Floats, y: Floats, intercept: float, slope: float) -> tuple[Floats, Floats]:
    mean = expit(intercept + slope * x)
    return np.asarray(y - mean), np.asarray(mean * (1 - mean))


def _information(x: Floats, weight: Floats) -> Floats:
    """Return the information of intercept and slope, (2, 2)."""
    weighted = weight * x
    cross = weighted.sum()
    return np.array([[weight.sum(), cross], [cross, weighted @ x]])


def _inverse(information: Floats) -> Floats:
    """Return the inverse of a symmetric matrix; NaN where it has none."""
    (s0, s1), (_, s2) = information
    determinant = s0 * s2 - s1 * s1
    if not determinant > 0:
        return np.full((2, 2), np.nan)
    return np.asarray(np.array([[s2, -s1], [-s1, s0]]) / determinant)
