"""Safetensors in a registered PyTorch network."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model_adapters.architectures import Network, build_network
from model_adapters.architectures.loading import load_tensors, parse_tensors
from model_adapters.base import Capability, Prepared, TargetLayer
from model_adapters.batching import is_out_of_memory
from model_adapters.devices import select_device
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.manifest import Manifest
from model_adapters.preprocessing.network_inputs import network_tensors
from model_adapters.schema import TokenSection
from model_adapters.schema_time import TextInput
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
        super().__init__(manifest, device=device, caps=_capabilities(manifest))
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

    def rebuilt(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return what an anomaly model makes of its image, shaped like the prepared image.

        Raises:
            AdapterError: If it gives no image back.
        """
        import torch

        with self.lock, torch.inference_mode(), self._exact():
            tensors, returned = self._returned(prepared)
        if not _rebuilds(tensors, returned):
            msg = (
                f"{self.card.key}: gives shape {tuple(returned.shape)} and no image back; only an "
                "autoencoder has a residual."
            )
            raise AdapterError(msg)
        return np.asarray(returned.to("cpu", torch.float64).numpy())

    def _returned(self, prepared: Prepared) -> tuple[Mapping[str, torch.Tensor], torch.Tensor]:
        """Return the network's inputs and its first output, as it gives it."""
        tensors = network_tensors(self.preprocessing, prepared, self.device)
        given: Any = tensors if self._network.several else next(iter(tensors.values()))
        try:
            returned = self._module(given)
        except (RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            shapes = ", ".join(f"{name} {tuple(one.shape)}" for name, one in tensors.items())
            reason = str(error).splitlines()[0].rstrip(".")
            msg = (
                f"{self.card.key}: the network does not take what its inputs declare, found "
                f"{shapes} ({reason}); correct [inputs] size or architecture.args."
            )
            raise AdapterError(msg) from error
        if isinstance(returned, (tuple, list)):  # MONAI's ViT: logits, then hidden states
            returned = returned[0]
        return tensors, returned

    def _values(self, prepared: Prepared) -> torch.Tensor:
        tensors, returned = self._returned(prepared)
        if self.output.task == "anomaly" and _rebuilds(tensors, returned):
            # The usual score of an autoencoder: its mean squared residual over the image.
            (image,) = tensors.values()
            return ((returned - image) ** 2).flatten(1).mean(dim=1, keepdim=True)
        columns: torch.Tensor = columns_of(returned, self.output, squashed=self._network.squashed)
        if self.output.space == "probability" and not self._network.squashed:
            return squash_tensor(columns, self.output)
        return columns

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
    if manifest.architecture is None:
        raise AdapterError(f"{where}: architecture: is missing; name the registered network.")
    chosen = select_device(device)
    network = build_network(manifest.architecture, where)
    if len(manifest.inputs) != 1 and not network.several:
        msg = (
            f"{where}: inputs: {manifest.architecture.name} takes one input, found "
            f"{list(manifest.inputs)}; declare the one it takes, or a network with a branch for "
            "each such as auscult.Fusion."
        )
        raise AdapterError(msg)
    if network.squashed and manifest.output.space not in {"probability", "survival"}:
        msg = (
            f'{where}: model.space: is "{manifest.output.space}", but the last layer gives '
            'probabilities; drop that layer or declare space = "probability" or "survival".'
        )
        raise AdapterError(msg)
    load_tensors(network, parse_tensors(data, where), where)
    return TorchAdapter(manifest, network, device=chosen)


def _rebuilds(tensors: Mapping[str, torch.Tensor], returned: torch.Tensor) -> bool:
    return len(tensors) == 1 and next(iter(tensors.values())).shape == returned.shape


def _capabilities(manifest: Manifest) -> frozenset[Capability]:
    """Return ``grad`` and ``layers``; there is no gradient with respect to a token's number.

    A single linear layer over a table is ``linear`` as well.
    """
    if any(isinstance(spec, TextInput) for spec in manifest.inputs.values()):
        return frozenset({"layers"})
    if manifest.architecture and [one.type for one in manifest.architecture.layers] == ["Linear"]:
        return frozenset({"grad", "layers", "linear"})
    return frozenset({"grad", "layers"})


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
