"""What a model is to Auscult: a folder, an identity, typed inputs and outputs, capabilities.

The names below are the public API; each loads what it needs when it is first used, so that whoever
needs an error class or a type alone waits for nothing else. A format's library is imported when a
folder of that format is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_adapters.base import (
        Batch,
        Capability,
        Feature,
        Field,
        ImageValue,
        ModelAdapter,
        ModelCard,
        OutputSpec,
        Prepared,
        SignalValue,
        Space,
        TargetLayer,
        Task,
    )
    from model_adapters.batching import (
        batch_size_for,
        count_rows,
        predict_batched,
        run_in_batches,
        take_rows,
    )
    from model_adapters.conformance import CheckResult, check_adapter, check_model_folder
    from model_adapters.conformance_batch import example_batch
    from model_adapters.convert import Conversion, Isolation, convert_checkpoint
    from model_adapters.devices import select_device
    from model_adapters.errors import AdapterError, DeviceError, PackageError, UnsafeFormatError
    from model_adapters.manifest import Manifest, read_manifest
    from model_adapters.preprocessing import ImageGeometry
    from model_adapters.registry import known_formats, load_adapter
    from model_adapters.spaces import probabilities
    from model_adapters.writing import manifest_text

_HOMES = {
    "Batch": "model_adapters.base",
    "Capability": "model_adapters.base",
    "Feature": "model_adapters.base",
    "Field": "model_adapters.base",
    "ImageValue": "model_adapters.base",
    "ModelAdapter": "model_adapters.base",
    "ModelCard": "model_adapters.base",
    "OutputSpec": "model_adapters.base",
    "Prepared": "model_adapters.base",
    "SignalValue": "model_adapters.base",
    "Space": "model_adapters.base",
    "TargetLayer": "model_adapters.base",
    "Task": "model_adapters.base",
    "batch_size_for": "model_adapters.batching",
    "count_rows": "model_adapters.batching",
    "predict_batched": "model_adapters.batching",
    "run_in_batches": "model_adapters.batching",
    "take_rows": "model_adapters.batching",
    "CheckResult": "model_adapters.conformance",
    "check_adapter": "model_adapters.conformance",
    "check_model_folder": "model_adapters.conformance",
    "example_batch": "model_adapters.conformance_batch",
    "Conversion": "model_adapters.convert",
    "Isolation": "model_adapters.convert",
    "convert_checkpoint": "model_adapters.convert",
    "select_device": "model_adapters.devices",
    "AdapterError": "model_adapters.errors",
    "DeviceError": "model_adapters.errors",
    "PackageError": "model_adapters.errors",
    "UnsafeFormatError": "model_adapters.errors",
    "Manifest": "model_adapters.manifest",
    "read_manifest": "model_adapters.manifest",
    "ImageGeometry": "model_adapters.preprocessing",
    "known_formats": "model_adapters.registry",
    "load_adapter": "model_adapters.registry",
    "probabilities": "model_adapters.spaces",
    "manifest_text": "model_adapters.writing",
}

__all__ = [
    "AdapterError",
    "Batch",
    "Capability",
    "CheckResult",
    "Conversion",
    "DeviceError",
    "Feature",
    "Field",
    "ImageGeometry",
    "ImageValue",
    "Isolation",
    "Manifest",
    "ModelAdapter",
    "ModelCard",
    "OutputSpec",
    "PackageError",
    "Prepared",
    "SignalValue",
    "Space",
    "TargetLayer",
    "Task",
    "UnsafeFormatError",
    "batch_size_for",
    "check_adapter",
    "check_model_folder",
    "convert_checkpoint",
    "count_rows",
    "example_batch",
    "known_formats",
    "load_adapter",
    "manifest_text",
    "predict_batched",
    "probabilities",
    "read_manifest",
    "run_in_batches",
    "select_device",
    "take_rows",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'model_adapters' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
