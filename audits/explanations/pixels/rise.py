"""RISE: regress a black box's score on random smooth masks (Petsiuk et al., BMVC 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.pixels.occlusion import channel_mean, evaluate_variants

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

MASKS = 400
CELLS = 7
KEPT = 0.5


def rise_maps(
    adapter: ModelAdapter,
    case: Mapping[str, Any],
    field: str,
    *,
    masks: int = MASKS,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Return how each output moves with each pixel's being seen.

    The covariance form is used, so that a pixel that does not matter comes out near 0 and one
    that lowers the score below it; the published sum of weighted masks is positive everywhere.

    Args:
        adapter: Any model.
        case: One prepared case, leading axis 1.
        field: The image.
        masks: Number of random masks; what is hidden shows the image's own mean.
        seed: Seed of the masks.

    Returns:
        (outputs, *spatial) on the explained scale.
    """
    image = case[field][0]
    drawn = smooth_masks(tuple(image.shape[1:]), masks, seed)
    fill = channel_mean(image)

    def masked(number: int) -> Any:
        seen = drawn[number][None]
        if not isinstance(image, np.ndarray):
            import torch

            seen = torch.as_tensor(seen).to(image)
        return image * seen + fill * (1 - seen)

    values = evaluate_variants(adapter, case, field, range(masks), masked)
    flat = drawn.reshape(masks, -1).astype(np.float64)
    shift = values - values.mean(axis=0)
    slopes = shift.T @ (flat - flat.mean(axis=0)) / (masks * KEPT * (1 - KEPT))
    return np.asarray(slopes.reshape(values.shape[1], *image.shape[1:]))


def smooth_masks(spatial: Sequence[int], count: int, seed: int) -> npt.NDArray[np.float32]:
    """Return (count, *spatial) masks in [0, 1]: coarse random grids, blown up and shifted."""
    rng = np.random.default_rng(seed)
    out = np.empty((count, *spatial), dtype=np.float32)
    for number in range(count):
        coarse = (rng.random([CELLS + 1] * len(spatial)) < KEPT).astype(np.float32)
        for axis, size in enumerate(spatial):
            cell = math.ceil(size / CELLS)
            start = rng.integers(0, cell)
            place = (np.arange(size) + start) / cell
            low = np.minimum(np.floor(place).astype(int), CELLS)
            high = np.minimum(low + 1, CELLS)
            weight = (place - low).astype(np.float32)
            weight = weight.reshape([-1 if one == axis else 1 for one in range(len(spatial))])
            coarse = (
                np.take(coarse, low, axis) * (1 - weight) + np.take(coarse, high, axis) * weight
            )
        out[number] = coarse
    return out
