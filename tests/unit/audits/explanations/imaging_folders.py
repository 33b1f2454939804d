"""Study and model folders of every kind of image, made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save

from model_adapters import manifest_text

RETINA = Path(__file__).parents[5] / "shared" / "data" / "retina-unet"
ROWS, COLUMNS = 584, 565


def model_folder(
    folder: Path,
    *,
    tensors: Mapping[str, Any] | bytes,
    architecture: Mapping[str, Any],
    inputs: Mapping[str, Any],
    **model: Any,
) -> Path:
    """Write a model folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = tensors if isinstance(tensors, bytes) else save(dict(tensors))
    (folder / "weights.safetensors").write_bytes(data)
    document = {
        "model": {"id": "m", "version": "1.0", "task": "binary", "outputs": ["y"], "space": "logit"}
        | model,
        "weights": {
            "format": "safetensors",
            "file": "weights.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "architecture": dict(architecture),
        "inputs": dict(inputs),
    }
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")
    return folder


def study_folder(
    folder: Path,
    cases: pd.DataFrame,
    *,
    inputs: Mapping[str, Any],
    labels: Sequence[str] = ("y",),
    groups: Sequence[str] = (),
    sections: str = "",
) -> Path:
    """Write a study folder around files that are there already, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_parquet(folder / "cases.parquet")
    spec: dict[str, Any] = {
        "study": {"name": folder.name, "version": "1"},
        "cases": {"table": "cases.parquet", "patient": "patient_id"},
        "inputs": dict(inputs),
        "labels": {name: {"column": name} for name in labels},
        "groups": {name: {"column": name} for name in groups},
    }
    (folder / "study.toml").write_text(manifest_text(spec) + sections, encoding="utf-8")
    return folder


def retina_model(folder: Path, size: tuple[int, int] = (ROWS, COLUMNS)) -> Path:
    """Return the published retina U-Net as a model folder."""
    return model_folder(
        folder,
        tensors=(RETINA / "weights.safetensors").read_bytes(),
        architecture={"name": "orobix.RetinaUNet"},
        inputs={"fundus": {"size": list(size), "scale": "0-1"}},
        id="retina-unet",
        task="segmentation",
        outputs=["vessel"],
        thresholds=[0.5],
    )


def retina_tile(name: str, at: int) -> np.ndarray:
    """Return one frame of a tiled picture of the published data."""
    from PIL import Image

    whole = np.asarray(Image.open(RETINA / f"{name}.png"))
    row, column = divmod(at, 5)
    return whole[row * ROWS : (row + 1) * ROWS, column * COLUMNS : (column + 1) * COLUMNS]


def retina_study(folder: Path, frames: Sequence[int]) -> Path:
    """Return some frames with their ground truth as a study folder."""
    from PIL import Image

    folder.mkdir(parents=True)
    for at in frames:
        Image.fromarray(retina_tile("all_originals", at)).save(folder / f"{at}.png")
        Image.fromarray(retina_tile("all_groundTruths", at)).save(folder / f"{at}_truth.png")
    cases = pd.DataFrame(
        {
            "case_id": [f"eye-{at}" for at in frames],
            "patient_id": [f"p{at}" for at in frames],
            "image": [f"{at}.png" for at in frames],
            "truth": [f"{at}_truth.png" for at in frames],
            "vessel": [1] * len(frames),
            "side": ["left" if at % 2 else "right" for at in frames],
        }
    )
    inputs = {"fundus": {"column": "image", "kind": "png", "mask_column": "truth"}}
    return study_folder(folder, cases, inputs=inputs, labels=["vessel"], groups=["side"])
