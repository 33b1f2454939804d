"""Hold a module still while it is explained, and give it back as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class _Held:
    holders: int = 0
    training: list[tuple[torch.nn.Module, bool]] = field(default_factory=list)
    trainable: list[torch.nn.Parameter] = field(default_factory=list)


_lock = threading.Lock()
_held: WeakKeyDictionary[torch.nn.Module, _Held] = WeakKeyDictionary()


@contextmanager
def held(module: torch.nn.Module) -> Iterator[None]:
    """Keep a module in evaluation mode with frozen parameters, then restore it.

    Several threads may hold the same module: the first one in saves its state, the last one
    out restores it. Frozen parameters keep the part before the tapped layer out of the graph, so
    it stores no activations; evaluation mode keeps BatchNorm's buffers from moving.

    Args:
        module: The model; its training flags and ``requires_grad`` come back as they were.
    """
    with _lock:
        state = _held.setdefault(module, _Held())
        if state.holders == 0:
            state.training = [(part, part.training) for part in module.modules()]
            state.trainable = [weight for weight in module.parameters() if weight.requires_grad]
            for part, _ in state.training:
                part.training = False
            for weight in state.trainable:
                weight.requires_grad = False
        state.holders += 1
    try:
        with _eagerly(module):
            yield
    finally:
        with _lock:
            state.holders -= 1
            if state.holders == 0:
                for part, training in state.training:
                    part.training = training
                for weight in state.trainable:
                    weight.requires_grad = True
                del _held[module]


def _eagerly(module: torch.nn.Module) -> AbstractContextManager[Any]:
    """Return a context in which a module from ``torch.compile`` runs as it was written.

    A compiled graph passes hooks by, or is compiled anew for each of them.
    """
    if not hasattr(module, "_orig_mod"):
        return nullcontext()
    import torch

    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


@contextmanager
def differentiable() -> Iterator[None]:
    """Switch gradients on for this thread, also under a caller's ``inference_mode``.

    A caller's mixed precision is left outside: small gradients vanish in 16 bits.
    """
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
