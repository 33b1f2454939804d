"""Occlusion from coarse to fine: small boxes only where large ones mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.pixels.boxes import BoxGrid, tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    Sweep = Callable[[Mapping[str, Any], BoxGrid], npt.NDArray[np.float32]]

REFINED = 0.3
"""Share of the large boxes that are cut: with four small ones each, 0.55 of a full sweep."""
FEWEST_CELLS = 6


def is_refinable(grid: tuple[int, ...]) -> bool:
    """Return whether a grid is fine enough, and even, so that its cells join two by two."""
    return all(cells >= FEWEST_CELLS and cells % 2 == 0 for cells in grid)


def refined_maps(
    sweep: Sweep, prepared: Mapping[str, Any], field: str, fine: BoxGrid
) -> npt.NDArray[np.float32]:
    """Return occlusion maps on a fine grid from large boxes and, where those matter, small ones.

    Large boxes join two cells per axis. For every output a large box is as important as its effect
    is large beside the output's largest; those in the first 30 % for any output are cut into their
    small boxes, all outputs at once. Cells of the others share what their large box did.

    Args:
        sweep: Occludes the boxes of one prepared case: (1, outputs, *grid of the boxes).
        prepared: n cases.
        field: The input that is occluded.
        fine: The boxes of a full sweep; :func:`is_refinable` says whether it can be joined.

    Returns:
        float32 (n, outputs, *fine.grid).
    """
    spatial = tuple(int(size) for size in prepared[field].shape[2:])
    coarse = tiles(spatial, [cells // 2 for cells in fine.grid])
    children = math.prod([2] * len(fine.grid))
    count = math.ceil(REFINED * len(coarse.boxes))
    out = []
    for row in range(len(prepared[field])):
        case = {name: value[row : row + 1] for name, value in prepared.items()}
        large = sweep(case, coarse)[0]
        flat = np.abs(large.reshape(len(large), -1))
        weight = (flat / np.maximum(flat.max(axis=1, keepdims=True), 1e-12)).max(axis=0)
        chosen = np.zeros(len(weight), dtype=np.bool_)
        chosen[np.argsort(-weight, kind="stable")[:count]] = True
        values, cut = large / children, chosen.reshape(coarse.grid)
        for axis in range(len(fine.grid)):
            values, cut = np.repeat(values, 2, axis + 1), np.repeat(cut, 2, axis)
        wanted = np.flatnonzero(cut)
        boxes = BoxGrid(grid=(len(wanted),), boxes=tuple(fine.boxes[int(at)] for at in wanted))
        values.reshape(len(values), -1)[:, wanted] = sweep(case, boxes)[0]
        out.append(values)
    return np.stack(out).astype(np.float32)
