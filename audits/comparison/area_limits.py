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
    areas: Floats, spread: Floats, variance: Floats, quantiles: Floats
) -> tuple[Floats, Floats]:
    """Return the limits of candidate minus base in every group.

    Args:
        areas: AUROC of base and candidate, (2, groups).
        spread: Variance of each, (2, groups).
        variance: Variance of their difference, (groups,).
        quantiles: t quantiles of each group, (levels, groups).

    Returns:
        Lower and upper limits, (levels, groups), never nearer than delta ± quantile · se.
    """
    low, high = _reach(areas, spread, variance, quantiles)
    return areas[1] - areas[0] - low, areas[1] - areas[0] + high


_SIDES = np.array([-1.0, 1.0])[:, None, None]


def _reach(areas: Floats, spread: Floats, variance: Floats, quantiles: Floats) -> Floats:
    """Return how far the limits of both sides lie from the estimate, (2, levels, groups)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        common = (spread.sum(axis=0) - variance) / 2
        # By how much each area moves where their difference is held at another value.
        pulls = np.stack([common - spread[0], spread[1] - common]) / variance
        size = areas * (1 - areas)

        def grown(version: int, far: Floats) -> Floats:
            moved = areas[version] + pulls[version] * _SIDES * far
            np.clip(moved, _EDGE, 1 - _EDGE, out=moved)
            ratio = moved * (1 - moved) / size[version]
            return np.asarray(np.where(size[version] > 0, ratio, 1.0))

        def error(far: Floats) -> Floats:
            base, candidate = grown(0, far), grown(1, far)
            total = base**2 * spread[0] + candidate**2 * spread[1] - 2 * base * candidate * common
            return np.asarray(np.sqrt(np.maximum(total, 0.0)))

        plain = np.broadcast_to(quantiles * np.sqrt(variance), (2, *quantiles.shape))
        low, high = np.zeros_like(plain), np.full_like(plain, 2.0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = middle < quantiles * error(middle)
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return np.asarray(np.fmax(low, plain))
