"""Maps of any prepared batch by a given method, as the checks need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.attention import one_pass
from audits.explanations.cams.engine import spatial_field
from audits.explanations.checks.names import ONE_PASS
from audits.explanations.pixels.occlusion import OcclusionEngine
from model_adapters.preprocessing.geometry import fit_geometry

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

Mapper = Callable[[Mapping[str, Any]], npt.NDArray[np.float32]]
"""Prepared batch of n cases -> (n, outputs wanted, *grid), signed."""


def mapper_for(adapter: ModelAdapter, method: str, outputs: Sequence[int]) -> Mapper | None:
    """Return the function that maps some outputs by a method; None where repeats cost too much.

    Args:
        adapter: The model.
        method: The explanation's method.
        outputs: Which outputs.
    """
    wanted = list(outputs)
    if method in ONE_PASS:
        engine = one_pass(adapter, method)
        return lambda prepared: engine.forward_with_maps(prepared)[1][:, wanted]
    field = spatial_field(adapter)
    if method == "occlusion":
        sweeps = OcclusionEngine(adapter=adapter, field=field)
        return lambda prepared: sweeps.forward_with_maps(prepared)[1][:, wanted]
    if method in {"integrated_gradients", "smoothgrad"}:
        return lambda prepared: _gradient_maps(adapter, prepared, field, method, wanted)
    return None


def _gradient_maps(
    adapter: ModelAdapter,
    prepared: Mapping[str, Any],
    field: str,
    method: str,
    outputs: Sequence[int],
) -> npt.NDArray[np.float32]:
    import torch

    from audits.explanations.pixels.gradients import PixelGame, integrated_gradients, smoothgrad

    maps = []
    for row in range(len(prepared[field])):
        case = {name: value[row : row + 1] for name, value in prepared.items()}
        game = PixelGame(adapter=adapter, case=case, field=field, outputs=outputs)
        if method == "smoothgrad":
            values = smoothgrad(game)
        else:
            values = integrated_gradients(game, torch.zeros_like(game.image))
        maps.append(values.sum(axis=1))
    return np.stack(maps).astype(np.float32)


def on_pixels(native: npt.NDArray[np.floating], spatial: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return a map of any grid on the pixels of the model's input."""
    geometry = fit_geometry(spatial, spatial, keep_aspect=False)
    return geometry.to_native(np.asarray(native, dtype=np.float64))
