"""Superpixels and supervoxels: compact regions that follow an image's own edges.

SLIC (Achanta et al., IEEE TPAMI 34, 2012): k-means over place and intensity from a regular grid of
seeds, here over all seeds at once, for any number of axes and channels. Pieces that end up apart
from their region's largest one go to whatever region lies nearest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]

ROUNDS = 8
COMPACTNESS = 0.6
"""Weight of place against intensity: 0 follows edges only, large values give the seeds' cells."""
FLAT = 1e-9
MOST_POINTS = 60_000
"""Points that are clustered; a larger image is thinned first, so that edges are half a step off."""


def superpixels(image: npt.NDArray[np.floating], grid: Sequence[int]) -> Labels:
    """Cut an image into about as many regions as a grid has cells.

    Args:
        image: (channels, *spatial), any scale.
        grid: Seeds per axis.

    Returns:
        int64 (*spatial) labels 0 … n-1, each owning at least one pixel and in one piece.
    """
    spatial = image.shape[1:]
    step = max(1, int(np.ceil((np.prod(spatial) / MOST_POINTS) ** (1 / len(spatial)))))
    thin = (slice(None), *(slice(step // 2, None, step) for _ in spatial))
    small = np.asarray(image[thin], dtype=np.float64)
    labels = _joined(_clustered(small, grid))
    for axis, size in enumerate(spatial):
        place = np.minimum(np.arange(size) // step, labels.shape[axis] - 1)
        labels = np.take(labels, place, axis=axis)
    return np.asarray(np.unique(labels, return_inverse=True)[1].reshape(spatial), dtype=np.int64)


def _clustered(image: npt.NDArray[np.float64], grid: Sequence[int]) -> Labels:
    """Return the nearest seed of every pixel after some rounds of k-means."""
    spatial = image.shape[1:]
    cells = [min(count, size) for count, size in zip(grid, spatial, strict=True)]
    places = np.stack(np.meshgrid(*map(np.arange, spatial), indexing="ij"), axis=-1)
    scaled = (places + 0.5) / np.array(spatial) * np.array(cells)  # a seed's cell is 1 wide
    axes = tuple(range(1, image.ndim))
    spread = image.std(axis=axes, keepdims=True)
    centred = image - image.mean(axis=axes, keepdims=True)
    shades = np.moveaxis(centred / np.where(spread > FLAT, spread, 1.0), 0, -1)
    points = np.concatenate([COMPACTNESS * 2 * scaled, shades], axis=-1)
    points = points.reshape(-1, points.shape[-1])
    first = np.ravel_multi_index(
        tuple(np.moveaxis(np.minimum(scaled.astype(int), np.array(cells) - 1), -1, 0)), cells
    ).reshape(-1)
    labels = first
    count = int(np.prod(cells))
    for _ in range(ROUNDS):
        sizes = np.maximum(np.bincount(labels, minlength=count), 1)
        sums = np.stack([np.bincount(labels, one, count) for one in points.T], axis=1)
        centres = sums / sizes[:, None]
        distance = (centres**2).sum(axis=1) - 2 * points @ centres.T
        distance[:, np.bincount(labels, minlength=count) == 0] = np.inf
        again = distance.argmin(axis=1)
        if np.array_equal(again, labels):
            break
        labels = again
    return np.asarray(labels.reshape(spatial), dtype=np.int64)


def _joined(labels: Labels) -> Labels:
    """Return labels in one piece each: what lies apart goes to the nearest kept piece."""
    from scipy.ndimage import distance_transform_edt, label

    kept = np.zeros(labels.shape, dtype=np.bool_)
    for one in np.unique(labels):
        pieces, count = label(labels == one)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        kept |= pieces == 1 + int(sizes.argmax())
    nearest = distance_transform_edt(~kept, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)])
