"""The change of the calibration slope in every group.

Each version's slope b is that of logit P(y = 1) = a + b · logit(p) (Cox, Biometrika 45 (1958)
562-565); its influence on a row is the row's score times the inverse information. The fits of all
groups are made at once on sums over score bins, each with the powers of its rows' distance from
the middle: up to the fourth power, which leaves less than rounding does of a slope's error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from audits.comparison.layout import Bools, Floats, Layout, Split

CLIP = 1e-15
BINS = 1_024
FEW_ROWS = 8_192
"""Up to here every row is a bin of its own."""
_POWERS = 4
_WIDEST = 0.1
"""Slope times width of a bin, past which powers up to the fourth are not enough."""
_ITERATIONS = 40
_STEP = 2.0
_CLOSE, _ROUGHLY = 1e-11, 1e-3
_STRETCH = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeChange:
    """Both versions' slopes, (2, groups), and the variance of their difference, (groups,)."""

    values: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """Rows of every group at points on the scale of log-odds.

    Attributes:
        at: The points, (points,).
        powers: Sums over rows of their distance from the point to the powers 0, 1, …,
            (powers, groups, points).
        events: Rows with the outcome, (groups, points).
        pulled: Sums of their distances, (groups, points).
        width: Largest distance between rows of one point.
    """

    at: Floats
    powers: Floats
    events: Floats
    pulled: Floats
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """Intercepts and slopes of all groups, NaN where there is none, and the inverse information.

    Attributes:
        intercept: (groups,).
        slope: (groups,).
        inverse: Its second row, (2, groups): the slope's covariance with both.
    """

    intercept: Floats
    slope: Floats
    inverse: Floats


class Slopes:
    """Fits both versions' slopes in the groups of any split, on sums that are made once.

    Args:
        layout: Who the rows belong to.
        positive: (n,) labels.
        scores: (n,) probabilities of base and candidate.
    """

    def __init__(self, layout: Layout, positive: Bools, scores: tuple[Floats, Floats]) -> None:
        self._layout = layout
        self._logits = tuple(logits_of(score) for score in scores)
        self._y = positive.astype(np.float64)
        self._joint: list[_Table] | None = None
        if layout.joint is not None and layout.n > FEW_ROWS:
            code, size = layout.joint
            self._joint = [_table(code, size, x, self._y) for x in self._logits]
        # A variance needs no more digits than these, which take a third of the time.
        narrow = np.float64 if layout.n <= FEW_ROWS else np.float32
        self._narrow = [one.astype(narrow) for one in (*self._logits, self._y)]
        self._near: list[Floats | None] = [None, None]

    def change(self, split: Split) -> SlopeChange:
        """Return both versions' calibration slopes in every group of a split.

        NaN where a group's slope does not exist: one class only, scores that part the classes or
        do not vary.
        """
        *scores, y = (split.ordered(one) for one in self._narrow)
        fits = [self._fit(split, version) for version in (0, 1)]
        flows = [_flow(split, fit, x, y) for fit, x in zip(fits, scores, strict=True)]
        change = np.subtract(flows[1], flows[0], out=flows[1])
        if split.pair_of_row is not None:
            change = split.over_pairs(change)
        squares = split.over_groups(np.square(change, out=change))
        patients = np.diff(split.bounds)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = patients / (patients - 1) * squares
        return SlopeChange(values=np.stack([fit.slope for fit in fits]), variance=variance)

    def _fit(self, split: Split, version: int) -> _Fit:
        """Return the fits of one version."""
        logits = self._logits[version]
        if self._layout.n <= FEW_ROWS:
            return self._by_rows(split, logits, range(split.size))
        if self._joint is not None:
            at, table, width = self._joint[version]
            table = np.moveaxis(split.from_joint(table)[:-1], 0, 1)
        else:
            group = np.repeat(np.arange(split.size), np.diff(split.row_bounds))
            x, y = (split.ordered(one) for one in (logits, self._y))
            at, table, width = _table(group, split.size, x, y)
            table = np.moveaxis(table, 0, 1)
        points = _Points(at=at, powers=table[:-2], events=table[-2], pulled=table[-1], width=width)
        fit = _newton(points, self._near[version])
        if split is self._layout.everybody and np.isfinite(fit.slope[0]):
            self._near[version] = np.array([fit.intercept, fit.slope])
        # Bins that do not show it, or are too wide for so steep a slope: row by row.
        known = _overlap(points) & (np.abs(fit.slope) * width <= _WIDEST)
        unknown = np.flatnonzero(~known)
        if len(unknown):
            by_rows = self._by_rows(split, logits, unknown.tolist())
            for name in ("intercept", "slope", "inverse"):
                getattr(fit, name)[..., unknown] = getattr(by_rows, name)[..., unknown]
        return fit

    def _by_rows(self, split: Split, logits: Floats, groups: Sequence[int]) -> _Fit:
        return _by_rows(split, split.ordered(logits), split.ordered(self._y), groups)


def logits_of(score: Floats) -> Floats:
    """Return the log-odds of probabilities, (n,); 0 and 1 stay finite."""
    out = np.clip(score, CLIP, 1 - CLIP)
    out /= 1 - out
    return np.asarray(np.log(out, out=out))


_Reals = npt.NDArray[np.floating[Any]]

_Table = tuple[Floats, Floats, float]
"""Middles of bins, sums by code and bin, and the bins' width."""


def _table(code: npt.NDArray[np.int64], size: int, x: Floats, y: Floats) -> _Table:
    """Return the bins' middles, sums over the rows of each code and bin, and the bins' width.

    The sums are those of the distance from the middle to the powers 0 to 4, of the outcome, and
    of the distance of rows with the outcome: (size, 7, bins).
    """
    low, high = float(x.min()), float(x.max())
    width = max((high - low) / BINS, _CLOSE)
    place = ((x - low) / width).astype(np.int64)
    np.minimum(place, BINS - 1, out=place)
    away = x - (low + (place + 0.5) * width)
    place += code * BINS
    out = np.empty((size, _POWERS + 3, BINS))

    def summed(weights: Floats | None) -> Floats:
        table = np.bincount(place, weights, size * BINS).reshape(size, BINS)
        return np.asarray(table, dtype=np.float64)

    out[:, 0] = summed(None)
    out[:, 1] = summed(away)
    power = away * away
    out[:, 2] = summed(power)
    for at in range(3, _POWERS + 1):
        power *= away
        out[:, at] = summed(power)
    out[:, -2] = summed(y)
    out[:, -1] = summed(np.multiply(away, y, out=power))
    return np.asarray(low + (np.arange(BINS) + 0.5) * width), out, width


def _flow(split: Split, fit: _Fit, x: _Reals, y: _Reals) -> _Reals:
    """Return each row's influence on its group's slope, in the split's order; 0 without a slope."""
    out = np.zeros_like(x)
    line = np.stack([fit.intercept, fit.slope, *fit.inverse]).astype(x.dtype)
    for group, (start, end) in enumerate(pairwise(split.row_bounds.tolist())):
        if not np.isfinite(fit.slope[group]):
            continue
        intercept, slope, constant, by_score = line[:, group]
        # In stretches that stay in the cache: several passes over each.
        for at in range(start, end, _STRETCH):
            part = slice(at, min(at + _STRETCH, end))
            here, flow = x[part], out[part]
            # y less the risk 1 / (1 + exp(-z)); past float's reach exp is infinite and the risk 0.
            np.multiply(here, -slope, out=flow)
            flow -= intercept
            with np.errstate(over="ignore"):
                np.exp(flow, out=flow)
            flow += 1
            np.divide(-1, flow, out=flow)
            flow += y[part]
            flow *= constant + by_score * here
    return out


def _by_rows(split: Split, x: Floats, y: Floats, groups: Sequence[int]) -> _Fit:
    """Return the fits of some groups with every row a point; NaN of the others."""
    found = _Fit(
        intercept=np.full(split.size, np.nan),
        slope=np.full(split.size, np.nan),
        inverse=np.full((2, split.size), np.nan),
    )
    for group in groups:
        part = slice(*split.row_bounds[group : group + 2].tolist())
        here, events = x[part], y[part]
        if not _exists(here, events):
            continue
        fit = _newton(
            _Points(
                at=here,
                powers=np.ones((1, 1, len(here))),
                events=events[None],
                pulled=np.zeros((1, 1)),
                width=0.0,
            )
        )
        found.intercept[group], found.slope[group] = fit.intercept[0], fit.slope[0]
        found.inverse[:, group] = fit.inverse[:, 0]
    return found


def _exists(x: Floats, y: Floats) -> bool:
    """Return whether a largest likelihood exists (Albert & Anderson, Biometrika 71 (1984))."""
    up, down = x[y == 1], x[y == 0]
    if len(up) == 0 or len(down) == 0 or x.max() - x.min() < _CLOSE:
        return False
    return bool(up.min() < down.max() and down.min() < up.max())


def _overlap(points: _Points) -> npt.NDArray[np.bool_]:
    """Return whether the bins already show that neither class lies beyond the other, (groups,)."""
    last = len(points.at) - 1
    sides = []
    for rows in (points.events > 0, points.powers[0] > points.events):
        lowest, highest = rows.argmax(axis=1), last - rows[:, ::-1].argmax(axis=1)
        sides.append((rows.any(axis=1), lowest, highest))
    (any1, low1, high1), (any0, low0, high0) = sides
    return np.asarray(any1 & any0 & (low1 < high0) & (low0 < high1))


def _newton(points: _Points, start: Floats | None = None) -> _Fit:
    """Return the largest likelihood of every group; NaN where it is not found.

    Args:
        points: The rows.
        start: Intercept and slope to start from, (2, 1); without a slope by default.
    """
    size = points.events.shape[0]
    if start is None:
        # From no slope at all: from 1 the steps overshoot for ever where risks are too extreme.
        with np.errstate(divide="ignore", invalid="ignore"):
            events = points.events.sum(axis=1)
            odds = events / (points.powers[0].sum(axis=1) - events)
            constant = np.nan_to_num(np.log(odds), posinf=0.0, neginf=0.0)
        start = np.stack([constant, np.zeros(size)])
    point = start + np.zeros(size)
    inverse, found = np.full((2, 2, size), np.nan), np.zeros(size, dtype=np.bool_)
    # First, and roughly, without the rows' distances from their bins, then with them.
    for near in (False, True) if len(points.powers) > 1 else (True,):
        close = _CLOSE if near else _ROUGHLY
        found[:] = False
        for _ in range(_ITERATIONS):
            with np.errstate(all="ignore"):
                gap, inverse = _scored(points, point, near=near)
                step = np.einsum("ijg,jg->ig", inverse, gap)
                size_of = np.abs(step).max(axis=0)
                step *= np.where(size_of > _STEP, _STEP / size_of, 1.0)
            point += np.where(np.isfinite(step) & ~found, step, 0.0)
            found |= size_of < close * (1 + np.abs(point[1]))
            if (found | ~np.isfinite(size_of)).all():
                break
    intercept, slope = np.where(found, point, np.nan)
    return _Fit(intercept=intercept, slope=slope, inverse=np.where(found, inverse[1], np.nan))


def _scored(points: _Points, point: Floats, *, near: bool) -> tuple[Floats, Floats]:
    """Return the score of intercept and slope, (2, groups), and the inverse information.

    Args:
        points: The rows.
        point: Intercepts and slopes, (2, groups).
        near: Whether the rows' distances from their points count.
    """
    at = points.at
    mean = expit(point[0][:, None] + point[1][:, None] * at)
    weight = mean * (1 - mean)
    lean = weight * (1 - 2 * mean)
    # Derivatives of the mean by the log-odds, each with the slope's power over the factorial.
    of_mean = [mean, weight, lean, weight * (1 - 6 * weight), lean * (1 - 12 * weight)]
    last = len(points.powers) - 1 if near else 0

    def expected(derivative: int, distance: int) -> Floats:
        """Return Σ of a derivative at the rows, times their distance to a power."""
        total: Floats = np.zeros_like(mean)
        for more in range(min(_POWERS - derivative, last - distance) + 1):
            factor = point[1][:, None] ** more / math.factorial(more)
            total = total + factor * of_mean[derivative + more] * points.powers[distance + more]
        return np.asarray(total)

    pulled, moved = points.pulled if near else 0.0, expected(0, 0)
    missing = points.events - moved
    gap = np.stack([missing.sum(axis=1), (missing * at + (pulled - expected(0, 1))).sum(axis=1)])
    w0, w1, w2 = (expected(1, distance) for distance in range(3))
    s0, s1 = w0.sum(axis=1), (w0 * at + w1).sum(axis=1)
    s2 = (w0 * at**2 + 2 * w1 * at + w2).sum(axis=1)
    determinant = s0 * s2 - s1 * s1
    inverse = np.array([[s2, -s1], [-s1, s0]]) / np.where(determinant > 0, determinant, np.nan)
    return gap, inverse
