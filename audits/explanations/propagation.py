"""Relevance of patches in a model whose attention stays inside shifted windows (Swin).

Conservative propagation (Ali et al., ICML 2022): gradient times activation at the patch embedding,
while attention probabilities, the scale of every layer normalisation and the gate of every GELU are
held as they are for this image. With these held the network is affine in its patches, so a patch's
relevance is exactly what the output loses without it; windows, shifts and merged tokens need no
rule of their own, because the gradient passes through the model's own rolling and merging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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

METHOD = "attention_relevance"
ESTIMAND = (
    "Share of each patch in {output}, in {unit}, with attention, normalisation and gates held as "
    "they are for this image; positive raises it. Patches add up to the score but for biases."
)
HEADED = 4  # (cases and windows, heads, tokens, tokens)
TOKENED = 3  # (cases, tokens, channels)
TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationEngine:
    """Conservative propagation behind :class:`~audits.explanations.cams.MapEngine`.

    Attributes:
        adapter: A model with the capabilities ``grad`` and ``layers``.
        field: The image input.
        layer: The patch embedding, declared as ``tokens.layer``.
        grid: Patches per axis.
        window: Tokens of a window per axis, as declared.
    """

    adapter: ModelAdapter
    field: str
    layer: str
    grid: tuple[int, ...]
    window: tuple[int, ...]

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
            ExplanationError: If the patches or the windows are not as declared.
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
        kinds = (torch.nn.Softmax, torch.nn.LayerNorm, torch.nn.GELU)
        parts = [part for part in module.modules() if isinstance(part, kinds)]
        taken: list[torch.Tensor] = []
        attended: list[int] = []

        def hold(part: torch.nn.Module, args: Any, output: Any) -> torch.Tensor | None:
            if part is layer:
                taken.append(output.detach().requires_grad_())
                return taken[-1].clone()
            if isinstance(part, torch.nn.Softmax) and output.ndim == HEADED:
                attended.append(int(output.shape[-1]))
            return _held_still(part, args[0], output)

        with forward_hooks([layer, *(part for part in parts if part is not layer)], hold):
            outputs = forward()
        self._require_declared(taken, attended)
        return taken[0], outputs

    def _require_declared(self, taken: list[torch.Tensor], attended: list[int]) -> None:
        size = math.prod(self.window)
        if len(taken) == 1 and attended and max(attended) <= size:
            return
        found = f"attention between {max(attended)}" if attended else "no attention"
        raise ExplanationError(
            f"{METHOD}: {self.adapter.card.key} declares windows of {size} tokens behind "
            f"{self.layer!r}, found {found} (fused attention hides it) and {len(taken)} runs of "
            "that layer; correct architecture.tokens, or use occlusion"
        )

    def _laid_out(self, values: torch.Tensor) -> torch.Tensor:
        """Return the patches' values as (n, channels, *grid)."""
        axes = len(self.grid)
        if values.ndim == TOKENED and values.shape[1] == math.prod(self.grid):
            return values.transpose(1, 2).reshape(len(values), -1, *self.grid)
        if values.ndim == axes + 2 and tuple(values.shape[2:]) == self.grid:
            return values
        if values.ndim == axes + 2 and tuple(values.shape[1:-1]) == self.grid:
            return values.movedim(-1, 1)
        raise ExplanationError(
            f"architecture.tokens: layer {self.layer!r} gives shape {tuple(values.shape)}, "
            f"expected patches on a grid of {'x'.join(map(str, self.grid))}; correct grid or layer"
        )


def _held_still(part: torch.nn.Module, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Return the same output, affine in the input: what depends on it otherwise is held."""
    import torch

    if isinstance(part, torch.nn.Softmax):
        return output.detach()
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
