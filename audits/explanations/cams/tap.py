"""Tap one layer of a forward pass, so that the graph starts there."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from audits.errors import ExplanationError
from audits.explanations.cams.holding import differentiable, held

if TYPE_CHECKING:
    import torch

    Forward = Callable[[], torch.Tensor]


def layer_named(module: torch.nn.Module, name: str) -> torch.nn.Module:
    """Return a submodule by its dotted name.

    Raises:
        ExplanationError: If there is none; the message lists the nearest names.
    """
    modules: dict[str, torch.nn.Module] = dict(module.named_modules())
    if name in modules and name:
        return modules[name]
    near = difflib.get_close_matches(name, [known for known in modules if known], n=3, cutoff=0.3)
    hint = f"; the nearest are {', '.join(near)}" if near else ""
    raise ExplanationError(
        f"architecture.target_layer: the model has no layer {name!r}{hint}; "
        "name one of the model's modules or leave target_layer out to have it found"
    )


def maps_of_outputs(
    totals: torch.Tensor,
    start: Sequence[torch.Tensor],
    read: Callable[[Sequence[torch.Tensor]], torch.Tensor],
) -> torch.Tensor:
    """Return what is read from the gradients of every output, from one graph.

    Args:
        totals: (outputs,) each output summed over the cases.
        start: Tensors where the graph starts.
        read: Turns their gradients into maps (n, *grid).

    Returns:
        Maps (n, outputs, *grid).
    """
    import torch

    count = len(totals)
    return torch.stack(
        [
            read(torch.autograd.grad(totals[at], start, retain_graph=at + 1 < count))
            for at in range(count)
        ],
        dim=1,
    )


@contextmanager
def forward_hooks(
    modules: list[torch.nn.Module], hook: Callable[[torch.nn.Module, Any, Any], Any]
) -> Iterator[None]:
    """Put a hook on modules for this thread only, and take it off whatever happens.

    Hooks are global state of a module; another thread that runs the same model at the same time
    passes through untouched.
    """
    owner = threading.get_ident()

    def mine(module: torch.nn.Module, args: Any, output: Any) -> Any:
        return hook(module, args, output) if threading.get_ident() == owner else None

    handles = [module.register_forward_hook(mine) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def tapped(
    module: torch.nn.Module, layer: torch.nn.Module, forward: Forward
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Run a forward pass whose graph starts at a layer.

    The layer's output is detached and kept; the model goes on with a clone of it, so that an
    in-place ReLU behind the layer changes the clone only.

    Args:
        module: The whole model, held in evaluation mode while the context is open.
        layer: One of its submodules.
        forward: Runs the model on the inputs, for example ``lambda: adapter.forward(prepared)``.

    Yields:
        Activations (n, channels, *grid), and the model's outputs, differentiable with respect
        to them.

    Raises:
        ExplanationError: If the layer runs not at all or more than once, or gives no tensor.
    """
    import torch

    taken: list[torch.Tensor] = []

    def take(_: torch.nn.Module, __: Any, output: Any) -> torch.Tensor:
        if not isinstance(output, torch.Tensor):
            raise ExplanationError(
                f"target layer: expected a tensor from it, found {type(output).__name__}; "
                "declare a layer that returns one tensor"
            )
        taken.append(output.detach().requires_grad_())
        return taken[-1].clone()

    with held(module), differentiable():
        with forward_hooks([layer], take):
            outputs = forward()
        if len(taken) != 1:
            raise ExplanationError(
                f"target layer: expected it to run once in a forward pass, found {len(taken)} "
                "runs; declare a layer that runs once, such as the block around it"
            )
        yield taken[0], outputs
