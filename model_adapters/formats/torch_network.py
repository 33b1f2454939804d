"""Safetensors in a registered PyTorch network."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model_adapters.architectures import Network, build_network
from model_adapters.architectures.loading import load_tensors, parse_tensors
from model_adapters.base import Prepared, TargetLayer
from model_adapters.devices import select_device
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.manifest import Manifest
from model_adapters.schema import TokenSection
from model_adapters.spaces import columns_of, squash_tensor
from model_adapters.weights_file import verified_bytes

if TYPE_CHECKING:
    import torch


class TorchAdapter(DeclaredModel):
    """A frozen network in evaluation mode, safe to share between threads.

    Attributes:
        lock: Held by every forward pass; whoever hangs hooks on ``module()`` holds it meanwhile,
            so that no other thread's batch runs through them.
    """

    def __init__(self, manifest: Manifest, network: Network, *, device: str) -> None:
        super().__init__(manifest, device=device, caps=frozenset({"grad", "layers"}))
        self.lock = threading.RLock()
        self._network = network
        self._module = network.module.eval().requires_grad_(requires_grad=False).to(device)
        self._target = _target_layer(manifest, network)

    def module(self) -> torch.nn.Module:
        """Return the network, in evaluation mode on ``device``."""
        return self._module

    def with_module(self, module: torch.nn.Module) -> TorchAdapter:
        """Return this model with another network in its place, such as one with shuffled weights.

        Everything else is shared; this adapter is not changed.
        """
        twin = copy.copy(self)
        twin.lock = threading.RLock()
        twin._module = module  # noqa: SLF001 - of its own class
        return twin

    def target_layer(self) -> TargetLayer | None:
        """Return the declared layer for maps, or None where it must be found."""
        return self._target

    def tokens(self) -> TokenSection | None:
        """Return where a token model's patch grid is read, if the manifest says so."""
        section = self.manifest.architecture
        return section.tokens if section else None

    def forward(self, prepared: Prepared) -> torch.Tensor:
        """Return (n, outputs, ...) in ``output.space`` on ``device``, differentiable.

        Gradients flow to the prepared values only; the network's parameters stay frozen.
        """
        import torch

        with self.lock, torch.inference_mode(mode=False), torch.enable_grad(), self._exact():
            return self._values(prepared)

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs, ...) in ``output.space``, without a gradient."""
        import torch

        with self.lock, torch.inference_mode(), self._exact():
            values = self._values(prepared).to("cpu", torch.float64)
        return np.asarray(values.numpy())

    def _values(self, prepared: Prepared) -> torch.Tensor:
        (field,) = self.inputs
        returned = self._module(self._tensor(prepared[field.name]))
        if isinstance(returned, (tuple, list)):  # MONAI's ViT: logits, then hidden states
            returned = returned[0]
        columns: torch.Tensor = columns_of(returned, self.output, squashed=self._network.squashed)
        if self.output.space == "probability" and not self._network.squashed:
            return squash_tensor(columns, self.output)
        return columns

    def _tensor(self, values: Any) -> torch.Tensor:
        import torch

        return torch.as_tensor(values).to(self.device, torch.float32)

    @contextlib.contextmanager
    def _exact(self) -> Iterator[None]:
        """Keep CUDA at full float32: TF32 moves scores by more than a threshold's rounding."""
        if self.device != "cuda":
            yield
            return
        import torch

        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield


def load_safetensors(manifest: Manifest, device: str) -> TorchAdapter:
    """Open a folder of format ``safetensors``.

    Raises:
        AdapterError: If the file, the network or their match is not as declared.
        DeviceError: If the device is not there.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    if manifest.architecture is None or len(manifest.inputs) != 1:
        msg = (
            f"{where}: inputs: a registered network takes one input, found "
            f"{list(manifest.inputs)}; declare the one it takes."
        )
        raise AdapterError(msg)
    chosen = select_device(device)
    network = build_network(manifest.architecture, where)
    if network.squashed and manifest.output.space != "probability":
        msg = (
            f'{where}: model.space: is "{manifest.output.space}", but the last layer gives '
            'probabilities; drop that layer or declare space = "probability".'
        )
        raise AdapterError(msg)
    load_tensors(network, parse_tensors(data, where), where)
    return TorchAdapter(manifest, network, device=chosen)


def _target_layer(manifest: Manifest, network: Network) -> TargetLayer | None:
    section = manifest.architecture
    if section is None or section.target_layer is None:
        return None
    name = network.layer_names.get(section.target_layer, section.target_layer)
    known = dict(network.module.named_modules())
    if not name or name not in known:
        msg = (
            f"{manifest.path}: architecture.target_layer: {section.target_layer!r} is no layer of "
            f"the network; its outer ones are {[n for n in known if n.count('.') <= 1][1:12]}."
        )
        raise AdapterError(msg)
    return TargetLayer(name=name, source="declared")
