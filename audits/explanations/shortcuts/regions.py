"""Zones that every image has: its border, and what lies off the anatomy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

BORDER = "border"
OUTSIDE = "outside_anatomy"

FRAME = 0.05
"""Width of the border as a share of each side."""
RIM = 0.02
"""How far the anatomy reaches beyond its mask, as a share of the longest side."""
PATCH = 0.12
"""Side of a patch as a share of each side of the image: 1.4 % of its area."""
SIZE_SHARE = 0.8
"""Places of a zone whose patch is smaller than this share of the largest one are not tried."""
TRIES = 40


def border(shape: Sequence[int]) -> Mask:
    """Return the frame of an image: 5 % of each side, in the last two axes."""
    out = np.ones(tuple(shape), dtype=np.bool_)
    inner = [slice(None)] * len(shape)
    for axis in range(max(0, len(shape) - 2), len(shape)):
        wide = max(1, round(FRAME * shape[axis]))
        inner[axis] = slice(wide, shape[axis] - wide)
    out[tuple(inner)] = False
    return out


def outside(anatomy: Mask, findings: Sequence[Mask] = ()) -> Mask:
    """Return what is neither anatomy nor a finding.

    Masks of paired organs leave out what lies between them (lungs leave out the heart), so every
    row is filled from its first to its last pixel of anatomy, and a rim is added.

    Args:
        anatomy: The study's mask.
        findings: Masks of findings, same shape; they are never outside.
    """
    from scipy.ndimage import maximum_filter1d

    inside = _across(anatomy)
    reach = 2 * max(1, round(RIM * max(anatomy.shape))) + 1
    for axis in range(max(0, anatomy.ndim - 2), anatomy.ndim):
        inside = maximum_filter1d(inside.astype(np.uint8), reach, axis=axis).astype(np.bool_)
    for finding in findings:
        inside |= finding
    return np.asarray(~inside)


def _across(mask: Mask) -> Mask:
    """Return each row filled from its first to its last true pixel."""
    since = np.maximum.accumulate(mask, axis=-1)
    until = np.maximum.accumulate(mask[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(since & until)


def patch_pair(
    values: npt.NDArray[np.floating], zone: Mask, rng: np.random.Generator
) -> tuple[Mask, Mask] | None:
    """Return the patch of a zone on which a map lies most, and another one as large.

    A patch is the part of a square (a cube) that lies in the zone. Of a map without positive values
    in the zone the magnitude counts.

    Args:
        values: The map on the image's pixels, signed.
        zone: Where patches may lie, same shape.
        rng: Chooses the sham among the places that are as large, clear of the patch.

    Returns:
        Patch and sham, of equal size; None where the zone has no room for two.
    """
    from scipy.ndimage import uniform_filter

    reach = tuple(max(1, round(PATCH * size / 2)) for size in zone.shape)
    step = max(1, min(reach) // 4)
    thin = (slice(None, None, step),) * zone.ndim
    window = [2 * max(1, one // step) + 1 for one in reach]
    size = uniform_filter(zone[thin].astype(np.float64), window, mode="constant")
    inside = np.where(zone, values, 0.0)
    kept = np.maximum(inside, 0.0) if inside.max() > 0 else np.abs(inside)
    lies = uniform_filter(kept[thin].astype(np.float64), window, mode="constant")
    possible = zone[thin] & (size >= SIZE_SHARE * size[zone[thin]].max(initial=0.0))
    if not possible.any() or not lies[possible].max() > 0:
        return None
    centres = np.argwhere(possible) * step
    patch = _square(zone, centres[int(lies[possible].argmax())], reach)
    order = rng.permutation(len(centres))[:TRIES]
    for at in order:
        sham = _square(zone, centres[int(at)], reach)
        if not (sham & patch).any():
            return _as_large(patch, sham)
    return None


def _square(zone: Mask, centre: npt.NDArray[np.intp], reach: Sequence[int]) -> Mask:
    out = np.zeros_like(zone)
    box = tuple(
        slice(max(0, int(at) - far), int(at) + far + 1)
        for at, far in zip(centre, reach, strict=True)
    )
    out[box] = zone[box]
    return out


def _as_large(patch: Mask, sham: Mask) -> tuple[Mask, Mask]:
    """Return both cut to the size of the smaller one; what is cut lies at an edge."""
    count = min(int(patch.sum()), int(sham.sum()))
    out = []
    for one in (patch, sham):
        cut = np.zeros(one.size, dtype=np.bool_)
        cut[np.flatnonzero(one)[:count]] = True
        out.append(cut.reshape(one.shape))
    return out[0], out[1]
