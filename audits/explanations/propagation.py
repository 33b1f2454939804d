"""Relevance of patches in a token model (ViT, Swin), through its attention.

Conservative propagation (Ali et al., ICML 2022): gradient times activation at the patch embedding,
while attention probabilities, the scale of every layer normalisation and the gate of every GELU are
held as they are for this image. With these held the network is affine in its patches, so a patch's
relevance is exactly what the output loses without it. Class token and registers hold no patch;
windows, shifts and merged tokens need no rule of their own, because the gradient passes through
the model's own rolling and merging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.cams.engine import graph_ready
from audits.explanations.cams.holding import differentiable, held
from audits.explanations.cams.tap import forward_hooks, layer_named, maps_of_outputs
from audits.explanations.spaces import explained_tensor

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter, Prepared

METHOD: Final = "attention_relevance"
ESTIMAND = (
    "Share of each patch in {output}, in {unit}, with attention, normalisation and gates held as "
    "they are for this image; positive raises it. Patches add up to the score but for biases."
)
TOKENED = 3  # (cases, tokens, channels)
TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationEngine:
    """Conservative propagation behind :class:`~audits.explanations.cams.MapEngine`.

    Attributes:
        adapter: A model with the capabilities ``grad`` and ``layers``.
        field: The image input.
        layer: The patch embedding.
        grid: Patches per axis.
        attentions: Modules that give attention probabilities.
    """

    adapter: ModelAdapter
    field: str
    layer: str
    grid: tuple[int, ...]
    attentions: tuple[str, ...]

    @property
    def method(self) -> str:
        """Return the contract's name."""
        return METHOD

    @property
    def fallback(self) -> None:
        """Return None: this is what was asked for."""
        return

    def forward_with_maps(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Run one forward pass and read every output's relevance.

        Args:
            prepared: n cases as ``adapter.prepare`` returns them.

        Returns:
            Scores (n, outputs) in ``output.space`` and signed maps (n, outputs, *grid).

        Raises:
            ExplanationError: If the patches are not as declared.
        """
        import torch

        adapter = cast("Any", self.adapter)
        module = adapter.module()
        inputs = {name: graph_ready(value) for name, value in prepared.items()}
        with held(module), differentiable():
            patches, outputs = self._passed(module, lambda: adapter.forward(inputs))
            values = explained_tensor(outputs, self.adapter.output.space).sum(dim=0)
            taken = patches.detach()
            maps = maps_of_outputs(
                values, [patches], lambda slopes: self._laid_out(slopes[0] * taken).sum(dim=1)
            )
        scores = outputs.detach().to("cpu", torch.float64).numpy()
        return scores, maps.to("cpu", torch.float32).numpy()

    def _passed(self, module: torch.nn.Module, forward: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches, where the graph starts, and the outputs that depend on them."""
        import torch

        layer = layer_named(module, self.layer)
        shares = [layer_named(module, name) for name in self.attentions]
        kinds = (torch.nn.LayerNorm, torch.nn.GELU, torch.nn.SiLU)
        parts = [part for part in module.modules() if isinstance(part, kinds)]
        taken: list[torch.Tensor] = []

        def hold(part: torch.nn.Module, args: Any, output: Any) -> torch.Tensor | None:
            if part is layer:
                taken.append(output.detach().requires_grad_())
                return taken[-1].clone()
            if part in shares:
                return cast("torch.Tensor", output.detach())
            return _held_still(part, args[0], output)

        hooked = dict.fromkeys([layer, *shares, *parts])
        with forward_hooks(list(hooked), hold):
            outputs = forward()
        if len(taken) != 1:
            raise ExplanationError(
                f"architecture.tokens: expected layer {self.layer!r} to run once, found "
                f"{len(taken)} runs; correct layer, or use occlusion"
            )
        return taken[0], outputs

    def _laid_out(self, values: torch.Tensor) -> torch.Tensor:
        """Return the patches' values as (n, channels, *grid)."""
        found = laid_out(values, self.grid)
        if found is None:
            raise ExplanationError(
                f"architecture.tokens: layer {self.layer!r} gives shape {tuple(values.shape)}, "
                f"expected patches on a grid of {'x'.join(map(str, self.grid))}; correct grid or "
                "layer"
            )
        return found


def laid_out(values: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor | None:
    """Return patches as (n, channels, *grid), whichever way a layer gives them; None for others.

    Args:
        values: (n, patches, channels), (n, channels, *grid) or (n, *grid, channels).
        grid: Patches per axis.
    """
    axes = len(grid)
    if values.ndim == TOKENED and values.shape[1] == math.prod(grid):
        return values.transpose(1, 2).reshape(len(values), -1, *grid)
    if values.ndim != axes + 2:
        return None
    if tuple(values.shape[2:]) == grid:
        return values
    return values.movedim(-1, 1) if tuple(values.shape[1:-1]) == grid else None


def _held_still(part: torch.nn.Module, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Return the output, affine in the input: a norm's scale and a unit's gate are held."""
    import torch

    if isinstance(part, torch.nn.LayerNorm):
        axes = tuple(range(-len(part.normalized_shape), 0))
        centred = x - x.mean(dim=axes, keepdim=True)
        spread = (x.var(dim=axes, unbiased=False, keepdim=True) + part.eps).sqrt().detach()
        scaled = centred / spread
        if part.elementwise_affine:
            scaled = scaled * part.weight
        return scaled + part.bias if getattr(part, "bias", None) is not None else scaled
    safe = torch.where(x.abs() < TINY, torch.ones_like(x), x)
    return x * torch.where(x.abs() < TINY, 0.5, output / safe).detach()
