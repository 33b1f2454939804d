"""A bright spot comes back to its place through the command, whatever the image went through."""

from __future__ import annotations

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from audits.cli.failures import run_guarded

from .imaging_folders import model_folder, study_folder

CELL = 4
FLAT, DEEP = (24, 32), (12, 24, 16)
SHAPES = {"png": (90, 50), "dicom": (60, 110), "nifti": (10, 44, 36), "turned": (10, 44, 36)}


def _model(folder, size, resize):
    """Return a network whose map is the brightness of cells of four pixels."""
    axes = len(size)
    layers = [
        (f"Conv{axes}d", {"in_channels": 1, "out_channels": 1, "kernel_size": 1}, "a"),
        ("ReLU", {}, None),
        (f"MaxPool{axes}d", {"kernel_size": CELL}, None),
        (f"AdaptiveAvgPool{axes}d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 1, "out_features": 1}, "b"),
    ]
    tensors = {
        "a.weight": torch.ones(1, 1, *[1] * axes),
        "a.bias": torch.zeros(1),
        "b.weight": torch.ones(1, 1),
        "b.bias": torch.zeros(1),
    }
    return model_folder(
        folder,
        tensors=tensors,
        architecture={
            "name": "sequential",
            "layers": [{"type": kind, "args": args, "key": key} for kind, args, key in layers],
        },
        inputs={"image": {"size": list(size), "window": [0.0, 200.0], "resize": resize}},
        thresholds=[0.5],
    )


def _write(folder, kind, values):
    """Write an array as radiologists see it: slices from the feet, columns from the right."""
    if kind == "png":
        Image.fromarray(values.astype(np.uint8)).save(folder / "one.png")
        return "one.png"
    if kind == "dicom":
        made = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        made.Rows, made.Columns = values.shape
        made.RescaleIntercept, made.RescaleSlope = 0, 1
        made.PixelData = values.astype(np.int16).tobytes()
        made.save_as(folder / "one.dcm")
        return "one.dcm"
    stored, steps = values[:, ::-1, ::-1].transpose(2, 1, 0), np.array([1.2, 1.0, 4.0])
    affine = np.diag([*steps, 1.0])
    if kind == "turned":  # the same patient, stored from the left and from the head
        stored = stored[::-1, :, ::-1]
        affine = np.diag([-steps[0], steps[1], -steps[2], 1.0])
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(stored), affine), folder / "one.nii.gz")
    return "one.nii.gz"


@pytest.mark.parametrize("resize", ["stretch", "fit"])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_bright_spot_comes_back_within_half_a_cell(kind, resize, tmp_path):
    shape = SHAPES[kind]
    size = FLAT if len(shape) == 2 else DEEP
    scale = np.array(shape) / size
    if resize == "fit":
        scale = np.full(len(shape), scale.max())
    at = np.array([3, 31, 9][-len(shape) :]) if len(shape) == 3 else np.array([37, 21])
    where = np.indices(shape)
    spot = np.all([abs(w - a) <= s / 2 for w, a, s in zip(where, at, scale, strict=True)], 0)
    folder = tmp_path / "s"
    folder.mkdir()
    name = _write(folder, kind, np.where(spot, 200.0, 0.0).astype(np.float32))
    study_folder(
        folder,
        pd.DataFrame({"case_id": ["one"], "patient_id": ["p"], "image": [name], "y": [1]}),
        inputs={"image": {"column": "image", "kind": "nifti" if kind == "turned" else kind}},
    )
    model = _model(tmp_path / "m", size, resize)
    asked = ["--study", str(folder), "--model", str(model), "--case", "one", "--no-checks"]
    assert run_guarded(["explain", *asked, "--out", str(tmp_path / "why")]) == 0
    with np.load(tmp_path / "why" / "map.npz") as maps:
        back = maps["patient"]
    assert back.shape == shape
    peak = np.array(np.unravel_index(int(back.argmax()), shape))
    assert np.all(np.abs(peak - at) <= CELL * scale / 2 + 0.5), (peak, at, scale)
