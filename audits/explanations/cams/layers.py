"""Find the layer whose output still has space: the last one before pooling."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audits.explanations.cams.holding import differentiable, held
from audits.explanations.cams.tap import forward_hooks, layer_named, tapped
from model_adapters.base import TargetLayer

if TYPE_CHECKING:
    import torch

    from audits.explanations.cams.tap import Forward

# Token models (ViT, Swin) put attention matrices where a CNN puts feature maps; "the last spatial
# output" is then a 197 x 197 matrix. They need a declared token grid.
TOKEN_MODEL = re.compile(r"transformer|sablock|swin|vit$", re.IGNORECASE)
# What is called attention may also be a gate made of convolutions, which keeps the grid.
ATTENTION = re.compile(r"attention", re.IGNORECASE)
CONVOLUTION = re.compile(r"^conv", re.IGNORECASE)
CANDIDATES = 4


@dataclass(slots=True)
class _Seen:
    name: str
    runs: int
    order: int
    shape: tuple[int, ...]


def find_target_layer(
    module: torch.nn.Module,
    forward: Forward,
    spatial: tuple[int, ...],
    *,
    deepest: bool = False,
) -> TargetLayer | None:
    """Find the last module with a spatial output before global pooling.

    Args:
        module: The model.
        forward: Runs it on one case.
        spatial: Spatial shape of the model's input, such as (224, 224).
        deepest: Find the last module on the coarsest grid instead: in a network that gives an
            image back (a U-Net, an autoencoder) the last one has every pixel and no context.

    Returns:
        The layer with its grid, or None for token models, for models whose output is itself
        spatial, and for models without spatial layers. A network that gives an image back may
        have tokens, if convolutions follow them: what comes before has no context.
    """
    tokens = _token_parts(module)
    if tokens and not deepest:
        return None
    seen, outputs = _trace(module, forward)
    if outputs.ndim > 2:  # noqa: PLR2004 - (n, outputs) is a classifier
        return None
    last = max((one.order for one in seen if one.name in tokens), default=-1)
    spatials = [
        one
        for one in seen
        if one.runs == 1 and _is_spatial(one.shape, spatial) and one.order > last
    ]
    spatials.sort(key=lambda one: one.order, reverse=True)
    if deepest:
        spatials.sort(key=lambda one: math.prod(one.shape[2:]))  # stable: the last one first
    for one in spatials[:CANDIDATES]:
        if _reaches_outputs(module, one.name, forward):
            return TargetLayer(name=one.name, source="found", grid=one.shape[2:])
    return None


def _token_parts(module: torch.nn.Module) -> frozenset[str]:
    """Return the names of the parts that work on tokens; "" is the module itself."""
    return frozenset(name for name, part in module.named_modules() if _works_on_tokens(part))


def _works_on_tokens(part: torch.nn.Module) -> bool:
    kind = type(part).__name__
    if not ATTENTION.search(kind):
        return TOKEN_MODEL.search(kind) is not None
    return not any(CONVOLUTION.search(type(one).__name__) for one in part.modules())


def _is_spatial(shape: tuple[int, ...], spatial: tuple[int, ...]) -> bool:
    grid = shape[2:]
    if len(grid) != len(spatial) or math.prod(grid) <= 1:
        return False
    return all(cells <= size for cells, size in zip(grid, spatial, strict=True))


def _trace(module: torch.nn.Module, forward: Forward) -> tuple[list[_Seen], torch.Tensor]:
    import torch

    names = {part: name for name, part in module.named_modules() if name}
    seen: dict[str, _Seen] = {}

    def note(part: torch.nn.Module, _: Any, output: Any) -> None:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else ()
        before = seen.get(names[part])
        runs = 1 if before is None else before.runs + 1
        order = sum(one.runs for one in seen.values())
        seen[names[part]] = _Seen(names[part], runs, order, shape)

    with held(module), differentiable(), torch.no_grad(), forward_hooks(list(names), note):
        outputs = forward()
    return list(seen.values()), outputs


def _reaches_outputs(module: torch.nn.Module, name: str, forward: Forward) -> bool:
    """Return whether any output depends on the layer (side branches do not count)."""
    import torch

    with tapped(module, layer_named(module, name), forward) as (activations, outputs):
        if not outputs.requires_grad:
            return False
        (gradient,) = torch.autograd.grad(outputs.sum(), activations, allow_unused=True)
    return gradient is not None
