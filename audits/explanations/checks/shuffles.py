"""The same network with its weights shuffled: what it would be had it learnt nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter


def randomised_twin(adapter: ModelAdapter, seed: int) -> ModelAdapter | None:
    """Return the same model with shuffled weights; the original is not touched.

    Every tensor keeps its values in another order, so that scale and BatchNorm's statistics stay
    plausible and only what was learnt is lost.
    """
    replace = getattr(adapter, "with_module", None)
    if replace is None or "layers" not in adapter.caps:
        return None
    twin: ModelAdapter = replace(shuffled_weights(_module(adapter), seed))
    return twin


def shuffled_weights(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Return a copy of a module with every parameter's values permuted."""
    import torch

    other = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in other.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return other


def _module(adapter: Any) -> torch.nn.Module:
    module: torch.nn.Module = adapter.module()
    return module
