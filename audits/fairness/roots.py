"""Roots of many monotone functions at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audits.fairness.types import FloatArray

_ROUNDS = 60


def bracketed_roots(
    function: Callable[[FloatArray], FloatArray],
    near: FloatArray,
    far: FloatArray,
    *,
    tolerance: float,
    f_near: FloatArray | None = None,
) -> FloatArray:
    """Return where each function changes sign, by regula falsi as Anderson and Björck mend it.

    Args:
        function: Elementwise; not positive at ``near``.
        near: One end of each bracket.
        far: The other end; where the function is not positive there, ``far`` is returned.
        tolerance: Largest absolute value of the function that counts as zero.
        f_near: Values at ``near``, where they are known.

    Example:
        >>> bracketed_roots(lambda x: x * x - 2, np.zeros(1), np.full(1, 9.0), tolerance=1e-12)
        array([1.41421356])
    """
    low, high, end = near, far, far
    f_low = function(near) if f_near is None else f_near
    f_high = function(far)
    reachable = f_high > 0
    middle = far
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_ROUNDS):
            middle = (low * f_high - high * f_low) / (f_high - f_low)
            inside = (middle >= np.minimum(low, high)) & (middle <= np.maximum(low, high))
            middle = np.where(inside, middle, (low + high) / 2)
            value = function(middle)
            past = value > 0
            keep = 1 - value / np.where(past, f_high, f_low)
            keep = np.where(keep > 0, keep, 0.5)
            f_low, f_high = (
                np.where(past, f_low * keep, value),
                np.where(past, value, f_high * keep),
            )
            low, high = np.where(past, low, middle), np.where(past, middle, high)
            if not (reachable & (np.abs(value) > tolerance)).any():
                break
    return np.where(reachable, middle, end)
