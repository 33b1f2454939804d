"""Tests: mid-p Fisher on counts, t and normal tails, margins by inversion, Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, ndtr, stdtr

from audits.fairness.roots import bracketed_roots
from audits.fairness.types import FloatArray, IntArray

Limits = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_TABLE_LIMIT = 2_000_000
_WINDOW_SDS = 38.0
_WINDOW_MIN = 64
_FARTHEST = 40.0
_PROBE = 2.0
_CLOSE = 1e-10


@lru_cache(maxsize=4)
def _log_factorials(size: int) -> FloatArray:
    return np.asarray(gammaln(np.arange(size + 1, dtype=np.float64) + 1))


def _log_factorial(values: IntArray, largest: int) -> FloatArray:
    if largest > _TABLE_LIMIT:
        return np.asarray(gammaln(values + 1.0))
    return _log_factorials(1 << max(largest, 1023).bit_length())[values]


def fisher_midp(k1: FloatArray, n1: FloatArray, k2: FloatArray, n2: FloatArray) -> FloatArray:
    """Return two-sided mid-p Fisher p-values of 2×2 tables, elementwise.

    Twice the smaller tail, the observed table counting half (Lancaster 1961). Summing the tables
    less probable than the observed one instead raises the share of fair audits with a disparity
    from 3.6 to 5.1 % at 2,000 rows, for two points of power. Counts are whole numbers; an empty
    arm or margin gives p = 1.

    Example:
        >>> a = np.asarray
        >>> round(float(fisher_midp(a([3.0]), a([10.0]), a([9.0]), a([10.0]))[0]), 5)
        0.01024
    """
    a, n, b, m = (np.rint(np.atleast_1d(v)).astype(np.int64) for v in (k1, n1, k2, n2))
    total, successes = n + m, a + b
    if len(a) == 0:
        return np.zeros(0)
    low, high = np.maximum(0, successes - m), np.minimum(n, successes)
    left, right = _window(n, m, successes, low, high)
    length = np.maximum(right - left + 1, 1)
    start = np.concatenate(([0], np.cumsum(length)[:-1]))
    table = np.repeat(np.arange(len(a)), length)
    x = left[table] + (np.arange(len(table)) - start[table])
    largest = int(total.max())

    def log_choose(top: IntArray, bottom: IntArray) -> FloatArray:
        return np.asarray(
            _log_factorial(top, largest)
            - _log_factorial(bottom, largest)
            - _log_factorial(top - bottom, largest)
        )

    weight = log_choose(n[table], x) + log_choose(m[table], successes[table] - x)
    share = np.exp(weight - log_choose(total, successes)[table])
    observed = a[table]
    half = np.where(x == observed, share / 2, 0.0)
    below = np.add.reduceat(np.where(x < observed, share, half), start)
    above = np.add.reduceat(np.where(x > observed, share, half), start)
    p = np.where((n == 0) | (m == 0) | (low == high), 1.0, 2 * np.minimum(below, above))
    return np.clip(p, np.finfo(np.float64).tiny, 1.0)


def _window(
    n: IntArray, m: IntArray, successes: IntArray, low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the range of the hypergeometric outside which every term is below any double."""
    total = np.maximum(n + m, 1)
    rate = successes / total
    mean = n * rate
    spread = np.sqrt(mean * (1 - rate) * m / np.maximum(total - 1, 1))
    reach = np.ceil(_WINDOW_SDS * spread).astype(np.int64) + _WINDOW_MIN
    centre = np.rint(mean).astype(np.int64)
    return np.maximum(low, centre - reach), np.minimum(high, centre + reach)


def upper_tail(c: FloatArray, df: FloatArray | None) -> FloatArray:
    """Return P(T > c) of a t distribution, or of the normal where ``df`` is None."""
    return np.asarray(ndtr(-c) if df is None else stdtr(df, -c))


def two_sided(statistic: FloatArray, df: FloatArray | None) -> FloatArray:
    """Return the two-sided p-value of a t or normal statistic."""
    return 2 * upper_tail(np.abs(statistic), df)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """Return q-values: q_(i) = min over j >= i of m p_(j) / j (Benjamini and Hochberg 1995).

    Example:
        >>> benjamini_hochberg(np.asarray([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.04, 0.04]
    """
    m = len(p)
    if m == 0:
        return np.zeros(0)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * m / np.arange(1, m + 1)
    q = np.empty(m)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def margin_p_values(
    difference: FloatArray, margin: FloatArray, limits: Limits, df: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return (p_margin, p_equivalence) by moving the multiplier until a limit meets the margin.

    p_margin is one-sided for abs(Δ) <= δ on the side of the estimate; p_equivalence is the
    larger of the two one-sided p-values for Δ >= δ and Δ <= -δ, so that it is below 0.05 exactly
    where the 90 % interval lies inside (-δ, δ).

    Args:
        difference: Estimated differences, (m,).
        margin: Margins δ > 0, (m,).
        limits: Multiplier (m,) -> lower and upper limits (m,), widening with the multiplier.
        df: Degrees of freedom of the multiplier, or None for the normal.
    """
    both = np.concatenate((difference, difference))
    target = np.concatenate((margin, -margin))
    sign = np.concatenate((np.ones_like(margin), -np.ones_like(margin)))

    def twice(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        first, second = np.split(c, 2)
        low_first, high_first = limits(first)
        low_second, high_second = limits(second)
        return np.concatenate((low_first, low_second)), np.concatenate((high_first, high_second))

    top, bottom = np.split(_meeting_point(both, target, sign, twice), 2)
    above, below = upper_tail(top, df), upper_tail(bottom, df)
    p_margin = np.where(difference >= 0, 1 - above, 1 - below)
    # 1 - tail loses the small p-values that matter, so the far tail is taken directly.
    p_margin = np.where(difference > margin, upper_tail(-top, df), p_margin)
    p_margin = np.where(difference < -margin, upper_tail(-bottom, df), p_margin)
    return p_margin, np.maximum(above, below)


def _meeting_point(
    difference: FloatArray, target: FloatArray, sign: FloatArray, limits: Limits
) -> FloatArray:
    """Return the signed multiplier at which a limit meets the target.

    Positive where the target lies outward of the estimate (above it for sign 1, below for -1),
    negative where the estimate has passed it and the opposite limit meets it.
    """
    outward = sign * (target - difference) > 0
    use_upper = outward == (sign > 0)

    def excess(c: FloatArray) -> FloatArray:
        """Return how far the limit has moved past the target."""
        lower_limit, upper_limit = limits(c)
        return np.where(use_upper, upper_limit - target, target - lower_limit)

    distance = np.abs(target - difference)
    # One probe gives the width of the limits, hence nearly the root: a short bracket to start from.
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = excess(np.full_like(difference, _PROBE)) + distance
        guess = np.clip(1.25 * _PROBE * distance / moved + 0.25, 0.25, _FARTHEST)
    guess = np.where(np.isfinite(guess), guess, _FARTHEST)
    far = np.where(excess(guess) > 0, guess, _FARTHEST)
    found = bracketed_roots(
        excess, np.zeros_like(difference), far, tolerance=_CLOSE, f_near=-distance
    )
    return np.where(outward, found, -found)
