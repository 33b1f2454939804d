"""Limits of a change of the AUROC in small groups.

An area's variance falls with the area, so a candidate that happens to look better also looks surer:
limits of delta ± t · se let a candidate pass too often at exactly the margin. These take the error
at the limit itself, as score intervals do (Tango's for proportions): the areas are moved to
where the limit puts them, and their influence functions with them, which are constant in size on
the logit scale. Where both versions are nearly one, little moves and the plain limits remain.
"""

from __future__ import annotations

import numpy as np

from audits.comparison.layout import Floats

_EDGE = 1e-9
_HALVINGS = 40


def area_limits(
    areas: Floats, spread: Floats, variance: Floats, quantile: Floats
) -> tuple[Floats, Floats]:
    """Return the limits of candidate minus base in every group.

    Args:
        areas: AUROC of base and candidate, (2, groups).
        spread: Variance of each, (2, groups).
        variance: Variance of their difference, (groups,).
        quantile: t quantile of each group, (groups,).

    Returns:
        Lower and upper limit, never nearer than delta ± quantile · se.
    """
    return (
        areas[1] - areas[0] - _reach(areas, spread, variance, quantile, -1.0),
        areas[1] - areas[0] + _reach(areas, spread, variance, quantile, 1.0),
    )


def _reach(
    areas: Floats, spread: Floats, variance: Floats, quantile: Floats, side: float
) -> Floats:
    """Return how far the limit of one side lies from the estimate."""
    with np.errstate(divide="ignore", invalid="ignore"):
        common = (spread.sum(axis=0) - variance) / 2
        # By how much each area moves where their difference is held at another value.
        pull = np.stack([common - spread[0], spread[1] - common]) / variance
        size = areas * (1 - areas)

        def error(far: Floats) -> Floats:
            moved = np.clip(areas + pull * side * far, _EDGE, 1 - _EDGE)
            grown = np.where(size > 0, moved * (1 - moved) / size, 1.0)
            total = (grown**2 * spread).sum(axis=0) - 2 * grown[0] * grown[1] * common
            return np.asarray(np.sqrt(np.maximum(total, 0.0)))

        plain = quantile * np.sqrt(variance)
        low, high = np.zeros_like(plain), np.full_like(plain, 2.0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = middle < quantile * error(middle)
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return np.fmax(low, plain)
