"""Model folders made on the spot, each by the library the format belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from model_adapters import manifest_text

PNEUMONIA = Path(__file__).parents[4] / "shared" / "data" / "pneumonia-mnist"
MODEL = {"id": "m", "version": "1.0", "task": "binary", "outputs": ["y"], "space": "logit"}

WriteModel = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Return a function that writes a model folder from the bytes of its weights."""

    def write(
        data: bytes | None,
        *,
        weights: Mapping[str, Any],
        model: Mapping[str, Any] | None = None,
        name: str = "model",
        **sections: Mapping[str, Any],
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        declared = {"sha256": hashlib.sha256(data or b"").hexdigest(), **weights}
        if data is not None:
            (folder / declared["file"]).write_bytes(data)
        document: dict[str, Any] = {"model": {**MODEL, **(model or {})}, "weights": declared}
        for key, content in sections.items():
            section, _, field = key.partition(".")
            document[section] = {field: content} if field else content
        (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def pneumonia(write_model: WriteModel) -> Path:
    """Return the published PneumoniaMNIST network as a model folder."""
    if not PNEUMONIA.is_dir():
        pytest.skip("real data not here: ../shared/data/pneumonia-mnist")
    three = {"kernel_size": 3, "padding": 1}
    layers = [
        ("Conv2d", {"in_channels": 1, "out_channels": 16, **three}, "features.0"),
        ("ReLU", {}, None),
        ("MaxPool2d", {"kernel_size": 2}, None),
        ("Conv2d", {"in_channels": 16, "out_channels": 32, **three}, "features.3"),
        ("ReLU", {}, None),
        ("MaxPool2d", {"kernel_size": 2}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 1568, "out_features": 64}, "classifier.1"),
        ("ReLU", {}, None),
        ("Dropout", {"p": 0.3}, None),
        ("Linear", {"in_features": 64, "out_features": 1}, "classifier.4"),
    ]  # fmt: skip
    return write_model(
        (PNEUMONIA / "weights.safetensors").read_bytes(),
        weights={"format": "safetensors", "file": "weights.safetensors"},
        model={"id": "pneumonia-mnist", "outputs": ["pneumonia"], "thresholds": [0.5]},
        name="pneumonia",
        **{"inputs.image": {"size": [28, 28], "scale": "0-1", "mean": [0.5], "std": [0.5]}},
        architecture={
            "name": "sequential",
            "layers": [{"type": kind, "args": args, "key": key} for kind, args, key in layers],
        },
    )
