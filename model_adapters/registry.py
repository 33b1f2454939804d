"""From a model folder to an adapter."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from model_adapters.base import ModelAdapter
from model_adapters.devices import DEVICES
from model_adapters.errors import AdapterError, DeviceError
from model_adapters.manifest import Manifest, read_manifest

Loader = Callable[[Manifest, str], ModelAdapter]

# Modules are imported when a folder of that format is opened: none of their libraries before.
_LOADERS = {
    "safetensors": ("model_adapters.formats.torch_network", "load_safetensors"),
    "xgboost": ("model_adapters.formats.xgboost_booster", "load_xgboost"),
    "lightgbm": ("model_adapters.formats.lightgbm_booster", "load_lightgbm"),
    "skops": ("model_adapters.formats.skops_estimator", "load_skops"),
    "onnx": ("model_adapters.formats.onnx_graph", "load_onnx"),
    "remote": ("model_adapters.formats.remote", "load_remote"),
    "hf": ("model_adapters.formats.hf_text", "load_hf"),
    "predictions": ("model_adapters.formats.predictions", "load_predictions"),
}


def known_formats() -> tuple[str, ...]:
    """Return the formats that ``weights.format`` may hold."""
    return tuple(_LOADERS)


def load_adapter(folder: Path | str, *, device: str = "auto") -> ModelAdapter:
    """Open a model folder.

    The hash of the weights is checked before any of it is parsed.

    Args:
        folder: A folder with ``model.toml`` and the weights it names.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; formats that only run on the CPU do so.

    Returns:
        The adapter; its capabilities say which optional members it has.

    Raises:
        UnsafeFormatError: If the weights are in a format that can run code.
        AdapterError: If the folder is not as it declares, in one sentence.
        DeviceError: If the device is not on this machine.

    Example:
        >>> adapter = load_adapter("sample_data/icu_deterioration/models/mlp-1.0")
        ... # doctest: +SKIP
        >>> adapter.predict(adapter.prepare(raw))  # doctest: +SKIP
    """
    manifest = read_manifest(folder)
    _check_device(device)
    declared = manifest.weights.format
    if declared not in _LOADERS:
        msg = (
            f"{manifest.path}: weights.format: {declared!r} is not supported by this version; use "
            f"one of {', '.join(_LOADERS)}."
        )
        raise AdapterError(msg)
    module, name = _LOADERS[declared]
    loader = cast("Loader", getattr(import_module(module), name))
    return loader(manifest, device)


def _check_device(device: str) -> None:
    """Refuse a missing device for every format alike, also for those that run on the CPU."""
    if device in {"auto", "cpu"}:
        return
    if device not in DEVICES:
        raise DeviceError(f"device: expected one of {', '.join(DEVICES)}, found {device!r}.")
    from model_adapters.devices import select_device

    select_device(device)
