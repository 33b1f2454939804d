"""Confidence limits of single proportions and AUROCs, and of differences made from two limits.

Every function works elementwise on arrays. ``c`` is the multiplier: a normal or t quantile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaincinv, expit, logit

from audits.fairness.roots import bracketed_roots
from audits.fairness.types import FloatArray

INSUFFICIENT_BELOW = 5
SMALL_CLASS = 100
_CLOSE = 1e-10


def wilson(p: Any, n: Any, c: Any) -> tuple[FloatArray, FloatArray]:
    """Return Wilson score limits of a proportion p of n (Wilson 1927).

    ``n`` may be an effective count. Where n is 0 the limits are NaN.

    Example:
        >>> low, high = wilson(0.8, 10, 1.959964)
        >>> round(float(low), 3), round(float(high), 3)
        (0.49, 0.943)
    """
    p, n, c = np.asarray(p, float), np.asarray(n, float), np.asarray(c, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        c2n = c * c / n
        centre = p + c2n / 2
        half = c * np.sqrt(p * (1 - p) / n + c2n / (4 * n))
        low = np.where(p == 0, 0.0, (centre - half) / (1 + c2n))
        high = np.where(p == 1, 1.0, (centre + half) / (1 + c2n))
    undefined = ~(n > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def jeffreys(p: Any, n: Any, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return Jeffreys limits of p of n, closed at 0 and 1 (Brown, Cai and DasGupta 2001)."""
    p, n = np.asarray(p, float), np.asarray(n, float)
    tail = (1 - level) / 2
    a, b = p * n + 0.5, (1 - p) * n + 0.5
    low = np.where(p == 0, 0.0, betaincinv(a, b, tail))
    high = np.where(p == 1, 1.0, betaincinv(a, b, 1 - tail))
    undefined = ~(n > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def mover(
    first: tuple[Any, Any, Any], second: tuple[Any, Any, Any], correlation: Any = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return limits of a difference from (estimate, low, high) of both arms.

    With Wilson limits and correlation 0 this is Newcombe's hybrid score interval (1998, method
    10); with a correlation it is its extension to arms that share patients (Zou 2007, MOVER).
    """
    e1, l1, u1 = (np.asarray(item, float) for item in first)
    e2, l2, u2 = (np.asarray(item, float) for item in second)
    below = (e1 - l1) ** 2 + (u2 - e2) ** 2 - 2 * correlation * (e1 - l1) * (u2 - e2)
    above = (u1 - e1) ** 2 + (e2 - l2) ** 2 - 2 * correlation * (u1 - e1) * (e2 - l2)
    difference = e1 - e2
    return (
        difference - np.sqrt(np.maximum(below, 0)),
        difference + np.sqrt(np.maximum(above, 0)),
    )


def katz_ratio(
    k1: Any, n1: Any, k2: Any, n2: Any, c: float, correlation: Any = 0.0
) -> tuple[FloatArray, ...]:
    """Return the ratio of two proportions with Katz log limits; a zero count gains one half.

    Half a case moves the limits of a ratio of 0 above it: its lower limit is 0 then.

    Returns:
        Ratio, lower and upper limit; NaN where both counts are 0 or a denominator is.
    """
    k1, n1, k2, n2 = (np.asarray(item, float) for item in (k1, n1, k2, n2))
    add = np.where((k1 == 0) | (k2 == 0), 0.5, 0.0)
    a, b = k1 + add, k2 + add
    m1, m2 = n1 + add, n2 + add
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((k1 == 0) & (k2 == 0), np.nan, (k1 / n1) / (k2 / n2))
        centre = np.log((a / m1) / (b / m2))
        first, second = np.maximum((1 - a / m1) / a, 0), np.maximum((1 - b / m2) / b, 0)
        half = c * np.sqrt(first + second - 2 * correlation * np.sqrt(first * second))
    undefined = np.isnan(ratio) | (n1 == 0) | (n2 == 0)
    low, high = np.where(k1 == 0, 0.0, np.exp(centre - half)), np.exp(centre + half)
    return tuple(np.where(undefined, np.nan, item) for item in (ratio, low, high))


def hanley_mcneil(area: Any, positives: Any, negatives: Any) -> FloatArray:
    """Return the variance of an AUROC from its value alone.

    Hanley and McNeil (1982), with the symmetrised counts of Newcombe's method 5 (2006).
    """
    a = np.asarray(area, float)
    m, n = np.asarray(positives, float), np.asarray(negatives, float)
    star = (m + n) / 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 1 + star * (1 - a) / (2 - a) + star * a / (1 + a)
        return np.asarray(a * (1 - a) * spread / (m * n))


def newcombe_auroc(
    area: Any, positives: Any, negatives: Any, c: Any
) -> tuple[FloatArray, FloatArray]:
    """Return limits of an AUROC by inverting its score statistic (Newcombe 2006, method 5).

    Never of zero width: at an area of 1 the upper limit is 1 and the lower one below it.
    """
    area, m, n, c = np.broadcast_arrays(
        *(np.asarray(item, float) for item in (area, positives, negatives, c))
    )

    def excess(limit: FloatArray) -> FloatArray:
        return np.asarray(np.abs(limit - area) - c * np.sqrt(hanley_mcneil(limit, m, n)))

    def solve(far: float) -> FloatArray:
        end = np.full(area.shape, far)
        # At an area of 0 or 1 itself the variance is nothing, so the search starts beside it.
        beside = np.clip(area, _CLOSE, 1 - _CLOSE)
        return bracketed_roots(excess, beside, end, tolerance=_CLOSE)

    low = np.where(area == 0, 0.0, solve(0.0))
    high = np.where(area == 1, 1.0, solve(1.0))
    undefined = np.isnan(area) | ~(m > 0) | ~(n > 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def logit_limits(value: Any, se_logit: Any, c: Any) -> tuple[FloatArray, FloatArray]:
    """Return limits of a value in (0, 1) that are symmetric on the logit scale."""
    centre = logit(np.asarray(value, float))
    half = np.asarray(c, float) * np.asarray(se_logit, float)
    return np.asarray(expit(centre - half)), np.asarray(expit(centre + half))
