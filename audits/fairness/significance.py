"""Tests: mid-p Fisher on counts, t and normal tails, margins by inversion, Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, ndtr, stdtr

from audits.fairness.types import FloatArray, IntArray

Limits = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_TABLE_LIMIT = 2_000_000
_WINDOW_SDS = 38.0
_WINDOW_MIN = 64
_FARTHEST = 40.0
_ROUNDS = 60
_CLOSE = 1e-10


@lru_cache(maxsize=1)
def _log_factorials(size: int) -> FloatArray:
    return np.asarray(gammaln(np.arange(size + 1, dtype=np.float64) + 1))


def _log_factorial(values: IntArray, largest: int) -> FloatArray:
    if largest > _TABLE_LIMIT:
        return np.asarray(gammaln(values + 1.0))
    return _log_factorials(1 << max(largest, 1023).bit_length())[values]


def fisher_midp(k1: FloatArray, n1: FloatArray, k2: FloatArray, n2: FloatArray) -> FloatArray:
    """Return two-sided mid-p Fisher p-values of 2×2 tables, elementwise.

    Tables as probable as the observed one count half, less probable ones in full (the ordering
    of R's ``fisher.test`` with the mid-p correction of Lancaster 1961). Counts are whole numbers;
    an empty arm or margin gives p = 1.

    Example:
        >>> a = np.asarray
        >>> round(float(fisher_midp(a([3.0]), a([10.0]), a([9.0]), a([10.0]))[0]), 5)
        0.01149
    """
    a, n, b, m = (np.rint(np.atleast_1d(v)).astype(np.int64) for v in (k1, n1, k2, n2))
    total, successes = n + m, a + b
    if len(a) == 0:
        return np.zeros(0)
    low, high = np.maximum(0, successes - m), np.minimum(n, successes)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(total > 0, n * (successes / np.maximum(total, 1)), 0.0)
        spread = np.sqrt(
            mean * (1 - successes / np.maximum(total, 1)) * m / np.maximum(total - 1, 1)
        )
    # Beyond 38 standard deviations a term is below the smallest double: the window loses nothing.
    reach = np.ceil(_WINDOW_SDS * spread).astype(np.int64) + _WINDOW_MIN
    left = np.maximum(low, np.floor(mean).astype(np.int64) - reach)
    right = np.minimum(high, np.ceil(mean).astype(np.int64) + reach)
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

    constant = -log_choose(total, successes)
    weight = log_choose(n[table], x) + log_choose(m[table], successes[table] - x) + constant[table]
    seen = np.clip(a, low, high)
    observed = log_choose(n, seen) + log_choose(m, successes - seen) + constant
    # The same relative slack as scipy's fisher_exact, so that equal tables tie despite rounding.
    slack = 1e-7 * np.maximum(1.0, np.abs(observed) * 1e-3)
    share = np.exp(weight)
    less = np.where(weight < observed[table] - slack[table], share, 0.0)
    ties = np.where(np.abs(weight - observed[table]) <= slack[table], share, 0.0)
    p = np.add.reduceat(less + ties / 2, start)
    p = np.where((n == 0) | (m == 0) | (low == high), 1.0, p)
    return np.clip(p, np.finfo(np.float64).tiny, 1.0)


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
    negative where the estimate has passed it and the opposite limit meets it. Found by the
    Anderson-Björck variant of regula falsi, which needs a dozen evaluations.
    """
    outward = sign * (target - difference) > 0
    use_upper = outward == (sign > 0)

    def excess(c: FloatArray) -> FloatArray:
        """Return how far the limit has moved past the target."""
        lower_limit, upper_limit = limits(c)
        return np.where(use_upper, upper_limit - target, target - lower_limit)

    near, far = np.zeros_like(difference), np.full_like(difference, _FARTHEST)
    f_near, f_far = -np.abs(target - difference), excess(far)
    reachable = f_far > 0
    middle = far
    for _ in range(_ROUNDS):
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = (near * f_far - far * f_near) / (f_far - f_near)
            middle = np.where(np.isfinite(middle), middle, (near + far) / 2)
            value = excess(middle)
            past = value > 0
            keep = 1 - np.where(past, value / f_far, value / f_near)
            keep = np.where(keep > 0, keep, 0.5)
        near, f_near, far, f_far = (
            np.where(past, near, middle),
            np.where(past, f_near * keep, value),
            np.where(past, middle, far),
            np.where(past, value, f_far * keep),
        )
        if not (reachable & (np.abs(value) > _CLOSE)).any():
            break
    found = np.where(reachable, middle, _FARTHEST)
    return np.where(outward, found, -found)
