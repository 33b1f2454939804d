"""Agreement of a drawn region with the true one: overlap, and distance of their boundaries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audits.fairness.types import BoolArray, FloatArray

PERCENTILE = 95.0


def dice(drawn: BoolArray, true: BoolArray) -> float:
    """Return 2|A∩B| / (|A| + |B|); NaN where both are empty, which is no perfect overlap.

    Args:
        drawn: What the model segments.
        true: The reference, same shape.
    """
    total = int(drawn.sum()) + int(true.sum())
    return 2 * int((drawn & true).sum()) / total if total else float("nan")


def hd95(drawn: BoolArray, true: BoolArray, spacing: Sequence[float]) -> float:
    """Return the larger of both directed 95th percentiles of the boundaries' distances, in mm.

    As MONAI defines it (Maier-Hein et al., Metrics Reloaded, Nat Methods 2024); NaN where either
    region is empty, because nothing has no boundary.

    Args:
        drawn: What the model segments.
        true: The reference, same shape.
        spacing: Distance of pixel centres per axis, mm.
    """
    if not (drawn.any() and true.any()):
        return float("nan")
    box = _around(drawn | true)
    a, b = _boundary(drawn[box]), _boundary(true[box])
    forth, back = _distances(a, b, spacing), _distances(b, a, spacing)
    return float(max(np.percentile(forth, PERCENTILE), np.percentile(back, PERCENTILE)))


def _around(mask: BoolArray) -> tuple[slice, ...]:
    """Return the box that holds a mask: outside it no boundary lies."""
    places = np.nonzero(mask)
    return tuple(slice(int(one.min()), int(one.max()) + 1) for one in places)


def _boundary(mask: BoolArray) -> BoolArray:
    """Return the pixels of a region that touch its outside; the image's edge is outside."""
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask))


def _distances(ours: BoolArray, theirs: BoolArray, spacing: Sequence[float]) -> FloatArray:
    """Return how far each pixel of our boundary is from the nearest of theirs."""
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(~theirs, sampling=tuple(spacing))
    return np.asarray(away[ours], dtype=np.float64)
