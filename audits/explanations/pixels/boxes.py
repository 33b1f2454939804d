"""Boxes that tile or slide over an image of any number of spatial dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[slice, ...]

CELLS_PER_AXIS = {1: 48, 2: 14, 3: 6}
OVERLAP = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxGrid:
    """Boxes in row-major order of a grid.

    Attributes:
        grid: Number of boxes per axis.
        boxes: One box per cell; spatial slices only.
    """

    grid: tuple[int, ...]
    boxes: tuple[Box, ...]


def tiles(
    spatial: Sequence[int], grid: Sequence[int] | None = None, overlap: float = OVERLAP
) -> BoxGrid:
    """Cut an image into equal cells, each box reaching over its neighbours a little.

    The boxes' centres are the cells' centres, so a map of the cells registers with the image the
    way a layer's map does.

    Args:
        spatial: Size per axis in pixels.
        grid: Cells per axis; default 14 x 14 for images, 6 x 6 x 6 for volumes, 48 for signals,
            fewer where the image is smaller than that.
        overlap: Share of a cell by which its box reaches out on each side.
    """
    wanted = grid or [CELLS_PER_AXIS.get(len(spatial), 6)] * len(spatial)
    cells = [min(count, size) for count, size in zip(wanted, spatial, strict=True)]
    axes = []
    for size, count in zip(spatial, cells, strict=True):
        edges = np.linspace(0, size, count + 1)
        reach = overlap * size / count
        axes.append(
            [
                slice(max(0, round(low - reach)), min(size, round(high + reach)))
                for low, high in itertools.pairwise(edges)
            ]
        )
    return BoxGrid(grid=tuple(cells), boxes=tuple(itertools.product(*axes)))


def windows(spatial: Sequence[int], window: int, stride: int) -> BoxGrid:
    """Slide a window; the last one on each axis touches the border.

    Args:
        spatial: Size per axis in pixels.
        window: Side of the window.
        stride: Step between windows.

    Example:
        >>> windows([224, 224], 15, 8).grid
        (28, 28)
    """
    axes = []
    for size in spatial:
        last = max(0, size - window)
        starts = sorted({min(start, last) for start in range(0, last + stride, stride)})
        axes.append([slice(start, min(size, start + window)) for start in starts])
    return BoxGrid(grid=tuple(len(axis) for axis in axes), boxes=tuple(itertools.product(*axes)))
