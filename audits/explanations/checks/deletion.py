"""Does the map point at what moves the score? Deletion, ranked among shifted copies of the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.mappers import on_pixels
from audits.explanations.pixels.occlusion import (
    channel_mean,
    evaluate_variants,
    kept_or_filled,
)

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

SHIFTS = 19
STEPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRank:
    """Where a map stands among copies of itself that point elsewhere.

    Attributes:
        p: Rank over number of maps; 0.05 where it beats all 19.
        z: Distance to the copies in their standard deviations; displayed, decides nothing.
        area: Mean score while the map's pixels are deleted, most important first; low is good.
        null: The same of the copies, (shifts,).
    """

    p: float
    z: float
    area: float
    null: npt.NDArray[np.float64]


def deletion_rank(
    adapter: ModelAdapter,
    case: Mapping[str, Any],
    field: str,
    index: int,
    native: npt.NDArray[np.floating],
    *,
    seed: int = 0,
) -> DeletionRank:
    """Delete pixels in the map's order and in the order of shifted copies, and compare.

    Copies keep the map's shape and smoothness, so that being a blob is no merit. Pixels are
    replaced by the image's own mean.

    Args:
        adapter: The model.
        case: One prepared case.
        field: The image.
        index: Which output.
        native: The signed map on any grid.
        seed: Seed of the shifts.
    """
    image = case[field][0]
    spatial = tuple(int(size) for size in image.shape[1:])
    pixels = on_pixels(native, spatial)
    axes = tuple(range(pixels.ndim))
    offsets = shifts(spatial, native.shape, SHIFTS, seed)
    copies = [pixels, *(np.roll(pixels, tuple(offset), axes) for offset in offsets)]
    ranks = [_rank(values) for values in copies]
    fill = channel_mean(image)

    def deleted(number: int) -> Any:
        keep = ranks[number // STEPS] >= (number % STEPS + 1) / (STEPS + 1)
        return kept_or_filled(image, fill, keep)

    values = evaluate_variants(adapter, case, field, range(len(copies) * STEPS), deleted)
    areas = values[:, index].reshape(len(copies), STEPS).mean(axis=1)
    own, null = float(areas[0]), areas[1:]
    spread = float(null.std())
    return DeletionRank(
        p=float((1 + (null <= own).sum()) / len(areas)),
        z=float((null.mean() - own) / spread) if spread > 0 else 0.0,
        area=own,
        null=null,
    )


def shifts(
    spatial: tuple[int, ...], grid: tuple[int, ...], count: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return offsets on the torus, (count, axes), none of them within one cell of no shift.

    A copy that lies on the map itself would tie with it and tell nothing.
    """
    rng = np.random.default_rng(seed)
    size = np.array(spatial)
    cell = np.maximum(size / np.minimum(np.array(grid), 8), 1)
    found: list[npt.NDArray[np.int64]] = []
    while len(found) < count:
        offset = rng.integers(0, size)
        distance = np.minimum(offset, size - offset)
        if (distance >= cell).any():
            found.append(offset)
    return np.stack(found)


def _rank(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return each pixel's rank in [0, 1), 0 the most important; ties in a fixed order."""
    order = np.argsort(-values.ravel(), kind="stable")
    ranks = np.empty(values.size)
    ranks[order] = np.arange(values.size) / values.size
    return ranks.reshape(values.shape)
