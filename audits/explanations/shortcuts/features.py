"""What a network holds of a case before its head, and what leaves with a direction of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.cams.engine import CamEngine, graph_ready
from audits.explanations.cams.tap import layer_named, tapped
from audits.explanations.spaces import explained_tensor

if TYPE_CHECKING:
    from audits.cohorts import Study
    from model_adapters.base import ModelAdapter

Floats = npt.NDArray[np.float64]
ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledFeatures:
    """Features of some cases at the layer that maps are read at, averaged over space.

    Attributes:
        case_ids: The cases (n).
        values: float64 (n, channels).
        prepared: The cases as the model takes them, in portions of their own order.
    """

    case_ids: tuple[str, ...]
    values: Floats
    prepared: tuple[Mapping[str, Any], ...]


def pooled_features(
    study: Study, engine: CamEngine, case_ids: Sequence[str], *, cancel: Cancel = never
) -> PooledFeatures:
    """Read the pooled features of some cases; those that do not open are left out.

    Args:
        study: The study.
        engine: Names the layer.
        case_ids: Which cases.
        cancel: Asked between portions.
    """
    import torch

    kept: list[str] = []
    values: list[Floats] = []
    portions: list[Mapping[str, Any]] = []
    for start in range(0, len(case_ids), ROWS):
        stop_if(cancel)
        some = list(case_ids[start : start + ROWS])
        raw, usable, _ = study.raw_batch(engine.adapter.inputs, some)
        if not usable:
            continue
        prepared = engine.adapter.prepare(raw)
        with _tapped(engine, prepared) as (activations, _), torch.no_grad():
            grid = engine.laid_out(activations)
            values.append(grid.flatten(2).mean(dim=2).double().cpu().numpy())
        kept += usable
        portions.append(prepared)
    return PooledFeatures(
        case_ids=tuple(kept), values=np.concatenate(values), prepared=tuple(portions)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Erasure:
    """What is taken out of features: ``directions.T @ (readers @ x)``.

    Attributes:
        directions: (dimensions, channels), along which features change.
        readers: (dimensions, channels), which read how much of each direction a case holds.
    """

    directions: Floats
    readers: Floats


def removal_effects(
    engine: CamEngine,
    features: PooledFeatures,
    erasures: Sequence[Erasure],
    *,
    cancel: Cancel = never,
) -> Floats:
    """Return how far each output moves when something is erased at every position.

    First order in the removed part: exact where the head behind the layer is linear (pooling and
    one linear layer), a linear approximation elsewhere.

    Args:
        engine: Names the layer.
        features: The cases.
        erasures: What is erased, one after the other.
        cancel: Asked between portions.

    Returns:
        float64 (erasures, outputs, n): score without it minus score, on the explained scale.
    """
    import torch

    stacked = np.concatenate([one.directions for one in erasures])
    reading = np.concatenate([one.readers for one in erasures])
    owner = np.repeat(np.arange(len(erasures)), [len(one.directions) for one in erasures])
    parts = []
    for prepared in features.prepared:
        stop_if(cancel)
        with _tapped(engine, prepared) as (activations, outputs):
            directions = torch.as_tensor(stacked).to(activations)
            grid = engine.laid_out(activations.detach()).flatten(2)
            readers = torch.as_tensor(reading).to(activations)
            inside = torch.einsum("dc,ncs->nds", readers, grid)
            scores = explained_tensor(outputs, engine.adapter.output.space).sum(dim=0)
            moved = []
            for index in range(len(scores)):
                (slope,) = torch.autograd.grad(
                    scores[index], activations, retain_graph=index + 1 < len(scores)
                )
                along = torch.einsum("dc,ncs->nds", directions, engine.laid_out(slope).flatten(2))
                moved.append(-(along * inside).sum(dim=2).double().cpu().numpy())
        parts.append(np.stack(moved))
    by_direction = np.concatenate(parts, axis=1)
    out = np.zeros((len(erasures), by_direction.shape[0], by_direction.shape[1]))
    for place, erasure in enumerate(owner):
        out[erasure] += by_direction[:, :, place]
    return out


def _tapped(engine: CamEngine, prepared: Mapping[str, Any]) -> Any:
    adapter = cast("Any", engine.adapter)
    module = adapter.module()
    inputs = {name: graph_ready(value) for name, value in prepared.items()}
    return tapped(module, layer_named(module, engine.layer), lambda: adapter.forward(inputs))


def layered_engine(adapter: ModelAdapter) -> CamEngine | None:
    """Return the engine of a model whose layers can be read, else None."""
    if not {"grad", "layers"} <= adapter.caps:
        return None
    from audits.explanations.cams import cam_engine

    engine = cam_engine(adapter)
    return engine if isinstance(engine, CamEngine) else None
