"""A published network over real images, from files to published numbers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audits.cohorts import open_study
from audits.explanations.cams import cam_engine
from audits.predictions import predict_cohort
from model_adapters import load_adapter

THREE = {"kernel_size": 3, "padding": 1}
LAYERS = [
    (
        "Conv2d",
        {"in_channels": 1, "out_channels": 16, **THREE},
        "features.0",
    ),
    ("ReLU", {}, None),
    ("MaxPool2d", {"kernel_size": 2}, None),
    (
        "Conv2d",
        {"in_channels": 16, "out_channels": 32, **THREE},
        "features.3",
    ),
    ("ReLU", {}, None),
    ("MaxPool2d", {"kernel_size": 2}, None),
    ("Flatten", {}, None),
    ("Linear", {"in_features": 1568, "out_features": 64}, "classifier.1"),
    ("ReLU", {}, None),
    ("Dropout", {"p": 0.3}, None),
    ("Linear", {"in_features": 64, "out_features": 1}, "classifier.4"),
]


@pytest.fixture
def pneumonia_study(shared_data, tmp_path):
    with np.load(shared_data / "pneumonia-mnist" / "pneumoniamnist.npz") as data:
        images, labels = data["test_images"], data["test_labels"].ravel()
    folder = tmp_path / "study"
    folder.mkdir()
    names = [f"{row}.png" for row in range(len(images))]
    for name, pixels in zip(names, images, strict=True):
        Image.fromarray(pixels.squeeze()).save(folder / name)
    pd.DataFrame({"case_id": names, "path": names, "pneumonia": labels}).to_csv(
        folder / "cases.csv", index=False
    )
    (folder / "study.toml").write_text(
        '[study]\nname = "pneumonia-mnist"\nversion = "1"\n[cases]\ntable = "cases.csv"\n'
        '[labels.pneumonia]\ncolumn = "pneumonia"\n'
        '[inputs.image]\ncolumn = "path"\nkind = "png"\n',
        encoding="utf-8",
    )
    return open_study(folder)


@pytest.fixture
def pneumonia_model(shared_data, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    data = (shared_data / "pneumonia-mnist" / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data)
    text = (
        '[model]\nid = "pneumonia"\nversion = "1.0"\ntask = "binary"\noutputs = ["pneumonia"]\n'
        'space = "logit"\n[weights]\nformat = "safetensors"\nfile = "weights.safetensors"\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        '[inputs.image]\nsize = [28, 28]\nscale = "0-1"\nmean = [0.5]\nstd = [0.5]\n'
        '[architecture]\nname = "sequential"\n'
    )
    for kind, args, key in LAYERS:
        inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in args.items())
        text += f'[[architecture.layers]]\ntype = "{kind}"\nargs = {{ {inline} }}\n'
        text += f'key = "{key}"\n' if key else ""
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return load_adapter(folder, device="cpu")


def test_published_counts_and_maps_from_one_pass(pneumonia_study, pneumonia_model):
    got = predict_cohort(pneumonia_study, pneumonia_model, maps=cam_engine(pneumonia_model))
    truth = pneumonia_study.labels["pneumonia"].values[got.rows]
    called = got.probabilities[:, 0] >= 0.5
    assert len(truth) == 468
    assert int((~called & (truth == 0)).sum()) == 132
    assert int((truth == 0).sum()) == 234
    assert int((called & (truth == 1)).sum()) == 233
    assert got.maps.values.shape[:2] == (468, 1)
    assert not got.skipped
    plain = predict_cohort(pneumonia_study, pneumonia_model)
    np.testing.assert_allclose(got.scores, plain.scores, atol=1e-5)
