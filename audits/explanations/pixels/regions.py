"""Shapley values of image regions: superpixels are the players; of a signal, windows of time."""

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


def image_regions(image: Any) -> npt.NDArray[np.int64]:
    """Return who owns each pixel of an image or volume: superpixels; equal windows of a signal.

    Args:
        image: (channels, *spatial) as the model takes it.

    Returns:
        (*spatial) players 0 … n-1: about 36 of an image, 27 of a volume, 24 of a signal.
    """
    values = image if isinstance(image, np.ndarray) else image.detach().cpu().numpy()
    grid = region_grid(values.ndim - 1)
    if len(grid) == 1:
        return np.asarray(region_owners(values.shape[1:], grid)[0])
    from audits.explanations.pixels.superpixels import superpixels

    return superpixels(values, grid)


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
    adapter: ModelAdapter, case: Mapping[str, Any], field: str, owners: npt.NDArray[np.int64]
) -> FieldsGame:
    """Return the game of an image's regions against its own mean colour.

    Args:
        adapter: Any model.
        case: One prepared case.
        field: The image.
        owners: (*spatial) which player owns each pixel.
    """
    image = case[field]
    blank = copy_of(image)
    blank[:] = channel_mean(image[0])
    space = adapter.output.space
    return cell_game(
        predict=lambda batch: explained(adapter.predict(batch), space),
        field=field,
        cases=case,
        background=blank,
        player_of_cell=owners[None],
        players=int(owners.max()) + 1,
        rows_per_call=rows_per_call(adapter, image[0], ROWS_PER_CALL),
    )
