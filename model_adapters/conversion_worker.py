"""Read a PyTorch checkpoint in a process of its own and write its tensors as safetensors.

Run as a script with ``python -I``: it imports nothing of Auscult. The process has no more memory,
time and files than it needs, and PyTorch is told by ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` to build
nothing but tensors and plain containers, whatever the file asks for. The answer is one line of
JSON on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HOLDERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
_PREFIXES = ("module.", "_orig_mod.")


def main(source: str, target: str, memory: int, seconds: int) -> dict[str, Any]:
    """Convert one file.

    Args:
        source: The checkpoint.
        target: Where the safetensors file is written.
        memory: Bytes of address space the process may take.
        seconds: Processor time it may take.

    Returns:
        ``{"tensors": n}``, or ``{"refused": kind, "reason": text}``.
    """
    _limit(memory, seconds, 4 * Path(source).stat().st_size + 2**20)
    if os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD") != "1":
        return {"refused": "setting", "reason": "TORCH_FORCE_WEIGHTS_ONLY_LOAD is not 1"}
    warnings.simplefilter("ignore")
    import torch
    from safetensors.torch import save_file

    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - any state of a foreign file is answered
        return _refusal(str(error))
    state = _state_dict(content)
    if state is None:
        return {"refused": "no state dict", "reason": type(content).__name__}
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    save_file(tensors, target)
    return {"tensors": len(tensors)}


def _limit(memory: int, seconds: int, file_size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's timeout remains
        return
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))


def _refusal(message: str) -> dict[str, Any]:
    if "TorchScript" in message:
        return {"refused": "torchscript", "reason": ""}
    for marker in ("GLOBAL ", "Unsupported global: GLOBAL ", "Unsupported class "):
        if marker in message:
            named = message.rsplit(marker, maxsplit=1)[1].split(maxsplit=1)[0].rstrip(",.")
            return {"refused": "code", "reason": named}
    if "Unsupported operand" in message:
        return {"refused": "unreadable", "reason": "it is no file of torch.save"}
    if "weights_only" in message or "WeightsUnpickler" in message:
        return {"refused": "code", "reason": "an instruction that is not allowed"}
    return {"refused": "unreadable", "reason": message.strip().split("\n")[0][:200]}


def _state_dict(content: Any) -> dict[str, Any] | None:
    """Find the tensors by name, alone or inside a training checkpoint, without wrapper prefixes."""
    import torch

    if not isinstance(content, Mapping):
        return None
    if not content or not all(torch.is_tensor(value) for value in content.values()):
        inner = next((content[key] for key in _HOLDERS if key in content), None)
        return None if inner is None or inner is content else _state_dict(inner)
    state = {str(name): tensor for name, tensor in content.items()}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


if __name__ == "__main__":
    answer = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(answer) + "\n")
