"""Put a file's tensors into a network: every tensor must find its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from model_adapters.architectures.key_maps import translated
from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    import torch

    from model_adapters.architectures.registry import Network

_SHOWN = 3


def load_tensors(network: Network, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Load tensors strictly: names and shapes must match one to one.

    Only the counters ``num_batches_tracked`` may be absent: evaluation never reads them, and
    checkpoints from before PyTorch 0.4 have none.

    Args:
        network: The network; its module is filled in place.
        tensors: The content of the weights file.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If a tensor is missing, left over or has another shape.
    """
    wanted = network.module.state_dict()
    found = translated(network.key_map, tensors)
    state = {}
    missing = []
    for name, tensor in wanted.items():
        source = found.get(network.rename.get(name, name))
        if source is not None:
            state[name] = tensors[source]
        elif name.endswith("num_batches_tracked"):
            state[name] = tensor
        else:
            missing.append(network.rename.get(name, name))
    used = {network.rename.get(name, name) for name in state}
    _refuse(where, "lacks", missing)
    _refuse(where, "holds, beyond the architecture,", [found[n] for n in found if n not in used])
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            msg = (
                f"{where}: weights.file: tensor {network.rename.get(name, name)!r} has shape "
                f"{tuple(tensor.shape)}, the architecture wants {tuple(wanted[name].shape)}; "
                "correct architecture.args."
            )
            raise AdapterError(msg)
    network.module.load_state_dict(state, strict=True)


def parse_tensors(data: bytes, where: str) -> dict[str, torch.Tensor]:
    """Return the tensors of safetensors bytes.

    Raises:
        AdapterError: If the bytes are not a whole safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        msg = f"{where}: weights.file: is not a whole safetensors file ({error}); restore it."
        raise AdapterError(msg) from error


def _refuse(where: str, verb: str, names: Collection[str]) -> None:
    if names:
        shown = ", ".join(sorted(names)[:_SHOWN])
        msg = (
            f"{where}: weights.file: {verb} {len(names)} tensors (the first: {shown}); correct "
            "architecture.name, its args or its key_map so that they match the weights."
        )
        raise AdapterError(msg)
