"""Which engine reads the relevance of a token model's patches, and which map leads for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from audits.errors import ExplanationError
from audits.explanations.cams.engine import MapEngine, blank_inputs, cam_engine, spatial_field
from audits.explanations.cams.holding import differentiable, held
from audits.explanations.cams.tap import forward_hooks, layer_named
from audits.explanations.cams.tokens import DeclaredTokens, declared_tokens, window_of
from audits.explanations.propagation import METHOD, PropagationEngine, laid_out

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter

HEADED = 4  # (cases and windows, heads, tokens, tokens)
TOLERANCE = 1e-3


@dataclass(slots=True)
class _Seen:
    patches: str | None = None
    attended: dict[str, int] = field(default_factory=dict)


def leading_map(adapter: ModelAdapter) -> Literal["gradcam", "attention_relevance"]:
    """Return the map of one pass that leads for a model.

    Tokens mix places from the first block on, so that a CAM read at the last one need not lie
    where the evidence is; what is carried back to the patches does.
    """
    return "gradcam" if declared_tokens(adapter) is None else METHOD


def one_pass(adapter: ModelAdapter, method: str) -> MapEngine:
    """Return the engine of a method whose maps come with the scores.

    Raises:
        ExplanationError: If the method does not fit the model, or what it declares is not so.
    """
    return attention_engine(adapter) if method == METHOD else cam_engine(adapter, method)


def leading_engine(adapter: ModelAdapter) -> MapEngine:
    """Return the engine of :func:`leading_map`."""
    return one_pass(adapter, leading_map(adapter))


def attention_engine(adapter: ModelAdapter) -> MapEngine:
    """Return the engine of a model that declares its tokens.

    A model whose attention cannot be read gets occlusion instead, and says so in ``fallback``.

    Raises:
        ExplanationError: If it declares none, or others than it has.
    """
    declared = declared_tokens(adapter)
    if declared is None:
        raise ExplanationError(
            f"{METHOD}: {adapter.card.key} declares no tokens; add [architecture] tokens with "
            "layer, prefix and grid, or use another map method"
        )
    module, field_name = cast("Any", adapter).module(), spatial_field(adapter)
    layer_named(module, declared.layer)
    blank, grid = blank_inputs(adapter, field_name), tuple(declared.grid)
    seen = _Seen() if blank is None else _looked_at(adapter, module, blank, grid)
    if not seen.attended:
        from audits.explanations.pixels.occlusion import OcclusionEngine

        reason = f"{adapter.card.key} shows no attention (fused attention hides it)"
        return OcclusionEngine(
            adapter=adapter, field=field_name, fallback=f"{reason}, so {METHOD} is impossible"
        )
    _require_declared(adapter, declared, seen)
    return PropagationEngine(
        adapter=adapter,
        field=field_name,
        layer=declared.layer if window_of(declared) else cast("str", seen.patches),
        grid=grid,
        attentions=tuple(seen.attended),
    )


def _looked_at(
    adapter: ModelAdapter,
    module: torch.nn.Module,
    blank: Mapping[str, Any],
    grid: tuple[int, ...],
) -> _Seen:
    """Return the first layer with patches on the grid, and the attention of every block."""
    import torch

    names = {part: name for name, part in module.named_modules() if name}
    seen = _Seen()

    def look(part: torch.nn.Module, _: Any, output: Any) -> None:
        if not isinstance(output, torch.Tensor):
            return
        if seen.patches is None and laid_out(output, grid) is not None:
            seen.patches = names[part]
        if _is_attention(part, output):
            seen.attended[names[part]] = int(output.shape[-1])

    with held(module), differentiable(), torch.no_grad(), forward_hooks(list(names), look):
        cast("Any", adapter).forward(blank)
    return seen


def _is_attention(part: torch.nn.Module, output: torch.Tensor) -> bool:
    """Return whether a module gives attention probabilities, as a softmax or behind one."""
    import torch

    if output.ndim != HEADED or [*part.children()]:
        return False
    if isinstance(part, torch.nn.Softmax):
        return True
    if output.shape[-1] != output.shape[-2]:
        return False
    return bool((output >= 0).all() and ((output.sum(dim=-1) - 1).abs() < TOLERANCE).all())


def _require_declared(adapter: ModelAdapter, declared: DeclaredTokens, seen: _Seen) -> None:
    window, grid = window_of(declared), "x".join(map(str, declared.grid))
    found = max(seen.attended.values())
    if window:
        size = math.prod(window)
        if found <= size:
            return
        said = f"windows of {size} tokens behind {declared.layer!r}, found attention between"
        raise ExplanationError(
            f"{METHOD}: {adapter.card.key} declares {said} {found}; correct architecture.tokens, "
            "or use occlusion"
        )
    if seen.patches is None:
        raise ExplanationError(
            f"architecture.tokens: no layer of {adapter.card.key} gives patches on a grid of "
            f"{grid}; correct grid, or use occlusion"
        )
    count = declared.prefix + math.prod(declared.grid)
    if found != count:
        raise ExplanationError(
            f"architecture.tokens: {adapter.card.key} declares {count} tokens (prefix "
            f"{declared.prefix} and grid {grid}), found attention between {found}; correct prefix "
            "or grid, or use occlusion"
        )
