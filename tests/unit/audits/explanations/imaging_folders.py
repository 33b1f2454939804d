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


def volume_model(folder: Path) -> Path:
    """Return a small 3-D network that sees brightness, with no cube for its input."""
    import torch

    layers = [
        ("Conv3d", {"in_channels": 1, "out_channels": 2, "kernel_size": 3, "padding": 1}, "a"),
        ("ReLU", {}, None),
        ("MaxPool3d", {"kernel_size": [2, 4, 4]}, None),
        ("AdaptiveAvgPool3d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 2, "out_features": 1}, "b"),
    ]
    weight = torch.zeros(2, 1, 3, 3, 3)
    weight[0, 0] = 1 / 27
    weight[1, 0, 1, 1, 1] = 0.1
    tensors = {
        "a.weight": weight,
        "a.bias": torch.tensor([-0.4, 0.0]),
        "b.weight": torch.tensor([[400.0, 0.0]]),
        "b.bias": torch.tensor([-2.0]),
    }
    return model_folder(
        folder,
        tensors=tensors,
        architecture={
            "name": "sequential",
            "layers": [{"type": kind, "args": args, "key": key} for kind, args, key in layers],
        },
        inputs={"scan": {"size": [16, 32, 24], "window": [-100.0, 300.0]}},
        id="volume-net",
        outputs=["lesion"],
        thresholds=[0.5],
    )


BALL = (14, 30, 12)
"""Slice from the feet, row from the front, column from the patient's right."""


def ball_volume(shape: tuple[int, int, int] = (20, 44, 36), *, lesion: bool = True) -> np.ndarray:
    """Return Hounsfield units (slices, rows, columns), with a bright ball where asked."""
    rng = np.random.default_rng(5)
    z, y, x = np.indices(shape)
    body = ((y - shape[1] / 2) / 19) ** 2 + ((x - shape[2] / 2) / 15) ** 2 < 1
    volume = np.where(body, 20.0, -100.0) + rng.normal(0, 4, shape)
    if lesion:
        far = ((z - BALL[0]) / 1.6) ** 2 + ((y - BALL[1]) / 5) ** 2 + ((x - BALL[2]) / 5) ** 2
        volume[far < 1] = 280.0
    return volume.astype(np.float32)


def volume_study(folder: Path) -> Path:
    """Return NIfTI volumes with thick slices as a study, the lesion outlined."""
    import nibabel

    folder.mkdir(parents=True)
    affine = np.diag([1.2, 1.0, 4.0, 1.0])
    rows = []
    for at in range(6):
        volume = ball_volume(lesion=at % 2 == 1)
        for name, values in (("ct", volume), ("mask", (volume > 200).astype(np.float32))):
            # NIfTI counts columns and rows from left and back: turn the radiological array round.
            stored = np.ascontiguousarray(values[:, ::-1, ::-1].transpose(2, 1, 0))
            nibabel.save(nibabel.Nifti1Image(stored, affine), folder / f"{at}_{name}.nii.gz")
        rows.append(
            (f"ct-{at}", f"p{at}", f"{at}_ct.nii.gz", f"{at}_mask.nii.gz", at % 2, "FM"[at // 3])
        )
    columns = ["case_id", "patient_id", "scan", "mask", "lesion", "sex"]
    inputs = {"scan": {"column": "scan", "kind": "nifti", "mask_column": "mask"}}
    cases = pd.DataFrame(rows, columns=columns)
    return study_folder(folder, cases, inputs=inputs, labels=["lesion"], groups=["sex"])
