"""Shapley values of image regions: the cells of a grid are the players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.pixels.boxes import tiles
from audits.explanations.pixels.occlusion import (
    ROWS_PER_CALL,
    channel_mean,
    copy_of,
    rows_per_call,
)
from audits.explanations.shapley import FieldsGame, cell_game
from audits.explanations.spaces import explained

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

REGIONS_PER_AXIS = {1: 24, 2: 6, 3: 3}


def region_grid(dimensions: int) -> tuple[int, ...]:
    """Return the default number of regions per axis: 36 for an image, 27 for a volume."""
    return (REGIONS_PER_AXIS.get(dimensions, 3),) * dimensions


def region_owners(spatial: Sequence[int], grid: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return which region owns each pixel, (1, *spatial)."""
    owners = np.zeros(tuple(spatial), dtype=np.int64)
    for player, box in enumerate(tiles(spatial, grid, overlap=0.0).boxes):
        owners[box] = player
    return owners[None]


def region_game(
    adapter: ModelAdapter, case: Mapping[str, Any], field: str, grid: Sequence[int]
) -> FieldsGame:
    """Return the game of an image's regions against its own mean colour.

    Args:
        adapter: Any model.
        case: One prepared case.
        field: The image.
        grid: Regions per axis.
    """
    image = case[field]
    blank = copy_of(image)
    blank[:] = channel_mean(image[0])
    owners = region_owners(tuple(image.shape[2:]), grid)
    space = adapter.output.space
    return cell_game(
        predict=lambda batch: explained(adapter.predict(batch), space),
        field=field,
        cases=case,
        background=blank,
        player_of_cell=owners,
        players=int(owners.max()) + 1,
        rows_per_call=rows_per_call(adapter, image[0], ROWS_PER_CALL),
    )
