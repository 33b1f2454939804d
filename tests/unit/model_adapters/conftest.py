"""Model folders made on the spot, each by the library the format belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PNEUMONIA = Path(__file__).parents[4] / "shared" / "data" / "pneumonia-mnist"

WriteModel = Callable[..., Path]


def toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)


def toml_text(document: Mapping[str, Any]) -> str:
    """Write a manifest with one line per key; inner tables inline."""
    lines = []
    for section, content in document.items():
        lines.append(f"[{section}]")
        lines += [f"{json.dumps(key)} = {toml_value(value)}" for key, value in content.items()]
    return "\n".join(lines)


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Return a function that writes a model folder from the bytes of its weights."""

    def write(
        data: bytes | None,
        *,
        weights: Mapping[str, Any],
        model: Mapping[str, Any] | None = None,
        name: str = "model",
        **sections: Mapping[str, Any] | None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        declared = {"sha256": hashlib.sha256(data or b"").hexdigest(), **weights}
        if data is not None:
            (folder / declared["file"]).write_bytes(data)
        document = {
            "model": {
                "id": "m",
                "version": "1.0",
                "task": "binary",
                "outputs": ["y"],
                "space": "logit",
                **(model or {}),
            },
            "weights": declared,
            **{key: value for key, value in sections.items() if value is not None},
        }
        (folder / "model.toml").write_text(toml_text(document), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def pneumonia(tmp_path: Path) -> Path:
    """Return the published PneumoniaMNIST network as a model folder."""
    if not PNEUMONIA.is_dir():
        pytest.skip("real data not here: ../shared/data/pneumonia-mnist")
    folder = tmp_path / "pneumonia"
    folder.mkdir()
    data = (PNEUMONIA / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data)
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
    text = toml_text(
        {
            "model": {
                "id": "pneumonia-mnist", "version": "1.0", "task": "binary",
                "outputs": ["pneumonia"], "space": "logit", "thresholds": [0.5],
            },
            "weights": {
                "format": "safetensors", "file": "weights.safetensors",
                "sha256": hashlib.sha256(data).hexdigest(),
            },
            "inputs.image": {"size": [28, 28], "scale": "0-1", "mean": [0.5], "std": [0.5]},
            "architecture": {"name": "sequential"},
        }
    )  # fmt: skip
    for kind, args, key in layers:
        text += f'\n[[architecture.layers]]\ntype = "{kind}"\nargs = {toml_value(args)}\n'
        text += f'key = "{key}"\n' if key else ""
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return folder
