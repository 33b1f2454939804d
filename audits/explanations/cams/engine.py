"""The map engine: scores and every output's map from one forward pass of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.cams.formulas import (
    CAM_METHODS,
    GRADIENT_FORMULAS,
    CamMethod,
    eigencam,
)
from audits.explanations.cams.holding import differentiable
from audits.explanations.cams.layers import find_target_layer
from audits.explanations.cams.tap import layer_named, maps_of_outputs, tapped
from audits.explanations.cams.tokens import TokenGrid, declared_tokens, window_of
from audits.explanations.spaces import explained_tensor
from model_adapters.base import TargetLayer

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter, Prepared

SPATIAL_MODALITIES = ("image", "signal")
BATCH_AND_CHANNEL = 2
GIVE_IMAGES = ("segmentation", "anomaly")
"""Tasks whose networks give an image back, so that their last layers have no context."""


class MapEngine(Protocol):
    """Anything that gives scores and low-resolution maps for a prepared batch."""

    @property
    def method(self) -> str:
        """Return the method's name in the contract."""
        ...

    @property
    def layer(self) -> str | None:
        """Return the module the maps are read at, or None for methods that perturb pixels."""
        ...

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the maps' spatial shape; () until the first batch where it is not known."""
        ...

    @property
    def field(self) -> str:
        """Return the model's input field that the maps belong to."""
        ...

    @property
    def fallback(self) -> str | None:
        """Return why another method than the one asked for is used, or None."""
        ...

    def forward_with_maps(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Return scores (n, k) equal to ``adapter.predict`` and signed maps (n, k, *grid)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CamEngine:
    """Grad-CAM and kin for all outputs from one forward pass, the graph starting at the layer.

    Holds no tensors, hooks or gradients between calls; several threads may share one.

    Attributes:
        adapter: A model with the capabilities ``grad`` and ``layers``.
        method: Which formula.
        target: Where the maps are read.
        field: Which input field they belong to.
        tokens: How tokens become a grid, for token models.
    """

    adapter: ModelAdapter
    method: CamMethod
    target: TargetLayer
    field: str
    tokens: TokenGrid | None = None

    @property
    def layer(self) -> str:
        """Return the module the maps are read at."""
        return self.target.name

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the maps' spatial shape, () where the model's input size is not fixed."""
        return self.target.grid

    @property
    def fallback(self) -> str | None:
        """Return None: this is what was asked for."""
        return None

    def laid_out(self, values: torch.Tensor) -> torch.Tensor:
        """Return activations or gradients of the layer as (n, channels, *grid)."""
        return _laid_out(values, self.tokens)

    def forward_with_maps(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Run one forward pass and read every output's map.

        Args:
            prepared: n cases as ``adapter.prepare`` returns them.

        Returns:
            Scores (n, outputs) in ``output.space``, and maps (n, outputs, *grid) of the explained
            scale (log-odds where the output has any); positive raises the output.

        Raises:
            ExplanationError: If the layer runs not exactly once or has no spatial output.
        """
        import torch

        adapter = cast("Any", self.adapter)
        module = adapter.module()
        layer = layer_named(module, self.layer)
        inputs = {name: graph_ready(value) for name, value in prepared.items()}
        with tapped(module, layer, lambda: adapter.forward(inputs)) as (activations, outputs):
            if self.tokens is None:
                _require_spatial(self.layer, activations, inputs[self.field])
            space = self.adapter.output.space
            if self.method == "eigencam":
                shared = eigencam(_laid_out(activations.detach(), self.tokens))
                maps = torch.stack([shared] * outputs.shape[1], dim=1)
            else:
                values = explained_tensor(outputs, space)
                maps = cam_maps(activations, values, self.method, self.tokens)
            scores = outputs.detach().to("cpu", torch.float64).numpy()
            return scores, maps.to("cpu", torch.float32).numpy()


def cam_maps(
    activations: torch.Tensor,
    outputs: torch.Tensor,
    method: CamMethod,
    tokens: TokenGrid | None = None,
) -> torch.Tensor:
    """Return the maps (n, outputs, *grid) of one forward pass.

    Args:
        activations: (n, channels, *grid), or (n, tokens, channels) of a token model; a leaf of
            the graph of ``outputs``.
        outputs: (n, outputs) on the explained scale.
        method: A gradient formula.
        tokens: How tokens become a grid, for token models.
    """
    formula = GRADIENT_FORMULAS[method]
    kept = _laid_out(activations.detach(), tokens)
    return maps_of_outputs(
        outputs.sum(dim=0),
        [activations],
        lambda slopes: formula(kept, _laid_out(slopes[0], tokens)),
    )


def _laid_out(values: torch.Tensor, tokens: TokenGrid | None) -> torch.Tensor:
    return values if tokens is None else tokens.lay_out(values)


def cam_engine(adapter: ModelAdapter, method: str = "gradcam") -> MapEngine:
    """Return the engine for a model's maps.

    A model without spatial layers, a token model that declares no grid, and a black box get
    occlusion instead, and say so in ``fallback``.

    Args:
        adapter: Any model with an image or signal input.
        method: One of ``CAM_METHODS``.

    Raises:
        ExplanationError: If the method is unknown, the model has no image or signal, or its
            declared layer does not exist.

    Example:
        >>> from audits.explanations.cams import cam_engine
        >>> engine = cam_engine(adapter)                          # doctest: +SKIP
        >>> scores, maps = engine.forward_with_maps(prepared)     # doctest: +SKIP
    """
    from audits.explanations.pixels.occlusion import OcclusionEngine

    if method not in CAM_METHODS:
        raise ExplanationError(
            f"method: {method!r} is not a map read at a layer; use one of {', '.join(CAM_METHODS)}"
        )
    field = spatial_field(adapter)
    if not {"grad", "layers"} <= adapter.caps:
        reason = f"{adapter.card.key} gives no access to its layers, so {method} is impossible"
        return OcclusionEngine(adapter=adapter, field=field, fallback=reason)
    tokens = declared_tokens(adapter)
    if tokens is not None and not window_of(tokens):
        layer_named(cast("Any", adapter).module(), tokens.layer)
        grid = tuple(tokens.grid)
        return CamEngine(
            adapter=adapter,
            method=method,
            target=TargetLayer(name=tokens.layer, source="declared", grid=grid),
            field=field,
            tokens=TokenGrid(prefix=tokens.prefix, grid=grid),
        )
    target = resolve_target_layer(adapter, field)
    if target is None:
        reason = (
            f"{adapter.card.key} has no layer that keeps the image's grid before pooling and "
            f"declares none, so {method} is impossible"
        )
        return OcclusionEngine(adapter=adapter, field=field, fallback=reason)
    return CamEngine(adapter=adapter, method=method, target=target, field=field)


def spatial_field(adapter: ModelAdapter) -> str:
    """Return the name of the model's first image or signal input.

    Raises:
        ExplanationError: If it has none.
    """
    for field in adapter.inputs:
        if field.modality in SPATIAL_MODALITIES:
            return field.name
    found = ", ".join(f"{field.name} ({field.modality})" for field in adapter.inputs) or "none"
    raise ExplanationError(
        f"{adapter.card.key}: maps need an image or signal input, found {found}; "
        "use the method shapley"
    )


def resolve_target_layer(adapter: ModelAdapter, field: str) -> TargetLayer | None:
    """Return the declared layer, else the one found by a trace of a blank input, else None."""
    model = cast("Any", adapter)
    module = model.module()
    declared: TargetLayer | None = model.target_layer()
    if declared is not None:
        layer_named(module, declared.name)
        return declared
    blank = blank_inputs(adapter, field)
    if blank is None:
        return None
    spatial = tuple(blank[field].shape[BATCH_AND_CHANNEL:])
    deepest = adapter.output.task in GIVE_IMAGES
    return find_target_layer(module, lambda: model.forward(blank), spatial, deepest=deepest)


def blank_inputs(adapter: ModelAdapter, field: str) -> dict[str, torch.Tensor] | None:
    """Return one case of zeros in the shapes the model declares; None where they are not fixed."""
    import torch

    blank = {}
    for one in adapter.inputs:
        if not one.shape or any(size is None for size in one.shape):
            return None
        sizes = [int(size) for size in one.shape if size is not None]
        blank[one.name] = torch.zeros(1, *sizes, device=adapter.device)
    return blank if blank[field].ndim > BATCH_AND_CHANNEL else None


def graph_ready(value: Any) -> Any:
    """Return a value that autograd may use; a tensor made under ``inference_mode`` is copied."""
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_inference():
        return value
    with differentiable():
        return value.clone()


def _require_spatial(layer: str, activations: torch.Tensor, image: torch.Tensor) -> None:
    if activations.ndim != image.ndim:
        raise ExplanationError(
            f"architecture.target_layer: {layer!r} gives shape {tuple(activations.shape)} for an "
            f"input of shape {tuple(image.shape)}, which is no grid of cells; "
            "declare a layer before pooling"
        )
