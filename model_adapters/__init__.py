"""What a model is to Auscult: a folder, an identity, typed inputs and outputs, capabilities.

Importing this package loads no model library; a format's library is imported when a folder of
that format is opened.
"""

from __future__ import annotations

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
