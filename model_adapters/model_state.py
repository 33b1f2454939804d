"""What a shared model must never lose: its tensors, modes, hooks and frozen parameters."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from model_adapters.base import ModelAdapter

if TYPE_CHECKING:
    import torch

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state_of(adapter: ModelAdapter) -> dict[str, str]:
    """Return a fingerprint per kind of state; empty for models without a torch module."""
    if "layers" not in adapter.caps:
        return {}
    module: torch.nn.Module = adapter.module()  # type: ignore[attr-defined]  # announced by "layers"
    modules = dict(module.named_modules())
    parameters = dict(module.named_parameters())
    tensors = hashlib.sha256()
    for name, tensor in (*parameters.items(), *module.named_buffers()):
        tensors.update(name.encode())
        tensors.update(tensor.detach().cpu().contiguous().flatten().numpy().tobytes())
    return {
        "tensors": tensors.hexdigest(),
        "training mode": repr([name for name, part in modules.items() if part.training]),
        "hooks": repr([sum(len(getattr(part, h)) for h in _HOOKS) for part in modules.values()]),
        "frozen parameters": repr([n for n, p in parameters.items() if p.requires_grad]),
        "stored gradients": repr([n for n, p in parameters.items() if p.grad is not None]),
    }


def changed_state(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """Return the kinds of state that differ."""
    return tuple(kind for kind in before if before[kind] != after.get(kind))
