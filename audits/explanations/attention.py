"""Relevance of patches in a token model, by attention weighted with its own gradient.

Chefer, Gur and Wolf, ICCV 2021 (self-attention rule): starting from the identity, every block adds
the positive part of gradient times attention, averaged over heads, applied to what was gathered so
far. Row t of the result says which tokens fed token t; rows that the output reads (the class token,
or all patches of a mean-pooled model) are found by their gradient in the last block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.cams.engine import MapEngine, graph_ready, spatial_field
from audits.explanations.cams.holding import differentiable, held
from audits.explanations.cams.tap import forward_hooks, maps_of_outputs
from audits.explanations.cams.tokens import TokenGrid, declared_tokens, window_of
from audits.explanations.spaces import explained_tensor

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter, Prepared

METHOD = "attention_relevance"
HEADED = 4  # (cases, heads, tokens, tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionEngine:
    """Attention relevance behind the interface of :class:`~audits.explanations.cams.MapEngine`.

    Attributes:
        adapter: A model with the capabilities ``grad`` and ``layers``.
        field: The image input.
        tokens: How tokens become a grid.
        layer: Where the model declares its tokens.
    """

    adapter: ModelAdapter
    field: str
    tokens: TokenGrid
    layer: str

    @property
    def method(self) -> str:
        """Return the contract's name."""
        return METHOD

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the patches per axis."""
        return self.tokens.grid

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
            Scores (n, outputs) in ``output.space`` and maps (n, outputs, *grid), never negative.

        Raises:
            ExplanationError: If the model shows no attention between the declared tokens.
        """
        import torch

        adapter = cast("Any", self.adapter)
        module = adapter.module()
        inputs = {name: graph_ready(value) for name, value in prepared.items()}
        with held(module), differentiable():
            taken, outputs = self._attentions(module, lambda: adapter.forward(inputs))
            values = explained_tensor(outputs, self.adapter.output.space).sum(dim=0)
            held_fast = [one.detach() for one in taken]
            maps = maps_of_outputs(
                values,
                taken,
                lambda slopes: self.tokens.lay_out(relevance(held_fast, slopes)[..., None])[:, 0],
            )
        scores = outputs.detach().to("cpu", torch.float64).numpy()
        return scores, maps.to("cpu", torch.float32).numpy()

    def _attentions(
        self, module: torch.nn.Module, forward: Any
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return each block's attention (n, heads, tokens, tokens), and the outputs."""
        import torch

        wanted = (self.tokens.count, self.tokens.count)
        parts = {part: name for name, part in module.named_modules() if not [*part.children()]}
        taken: dict[str, torch.Tensor] = {}

        def take(part: torch.nn.Module, _: Any, output: Any) -> torch.Tensor | None:
            if not isinstance(output, torch.Tensor) or output.ndim != HEADED:
                return None
            if tuple(output.shape[2:]) != wanted:
                return None
            # The graph starts at the first block's attention; the others depend on it.
            fresh = None if output.requires_grad else output.detach().clone().requires_grad_()
            # A softmax and the dropout behind it show the same matrix: the later one counts.
            taken[parts[part].rpartition(".")[0]] = output if fresh is None else fresh
            return fresh

        with forward_hooks(list(parts), take):
            outputs = forward()
        if not taken or not outputs.requires_grad:
            raise ExplanationError(
                f"{METHOD}: {self.adapter.card.key} shows no attention between its "
                f"{self.tokens.count} declared tokens (fused attention hides it); build it without "
                "fused attention, correct architecture.tokens, or use gradcam"
            )
        return list(taken.values()), outputs


def relevance(
    attentions: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return how much each token fed the tokens that the output reads, (n, tokens).

    Args:
        attentions: (n, heads, tokens, tokens) of each block, first block first.
        gradients: Of the output with respect to them.
    """
    import torch

    size = attentions[0].shape[-1]
    gathered = torch.eye(size, dtype=attentions[0].dtype, device=attentions[0].device)
    gathered = gathered.expand(len(attentions[0]), size, size)
    for attention, gradient in zip(attentions, gradients, strict=True):
        step = (attention * gradient).clamp(min=0).mean(dim=1)
        gathered = gathered + step @ gathered
    reads = (gradients[-1].abs().sum(dim=(1, 3)) > 0).to(gathered.dtype)
    weights = reads / reads.sum(dim=1, keepdim=True).clamp(min=1)
    # A token's own start (the identity) is no evidence from the image.
    own = torch.eye(size, dtype=gathered.dtype, device=gathered.device)
    return ((gathered - own) * weights[..., None]).sum(dim=1)


def attention_engine(adapter: ModelAdapter) -> MapEngine:
    """Return the engine of a model that declares its tokens.

    Raises:
        ExplanationError: If it declares none.
    """
    declared = declared_tokens(adapter)
    if declared is None:
        raise ExplanationError(
            f"{METHOD}: {adapter.card.key} declares no tokens; add [architecture] tokens with "
            "layer, prefix and grid, or use another map method"
        )
    if window_of(declared):
        from audits.explanations.propagation import PropagationEngine

        return PropagationEngine(
            adapter=adapter,
            field=spatial_field(adapter),
            layer=declared.layer,
            grid=tuple(declared.grid),
            window=window_of(declared),
        )
    return AttentionEngine(
        adapter=adapter,
        field=spatial_field(adapter),
        tokens=TokenGrid(prefix=declared.prefix, grid=tuple(declared.grid)),
        layer=declared.layer,
    )
