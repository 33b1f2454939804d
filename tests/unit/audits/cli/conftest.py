"""The command as a person runs it, and real data where it is at hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audits.cli.failures import run_guarded

SHARED = Path(__file__).parents[5] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("real data not here: ../shared/data")
    return SHARED


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def auscult(capsys, tmp_path, monkeypatch):
    """Run one command in this process with a store of its own."""
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "store"))

    def run(*arguments):
        capsys.readouterr()
        code = run_guarded([str(a) for a in arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run


@pytest.fixture
def scores(tmp_path):
    """Write a table of 200 rows, 80 patients; return its path."""
    rng = np.random.default_rng(7)
    risk = rng.random(200)
    frame = pd.DataFrame(
        {
            "row": [f"r{i}" for i in range(200)],
            "pid": rng.integers(0, 80, 200),
            "sex": rng.choice(["F", "M"], 200),
            "age": rng.integers(18, 90, 200),
            "died": (rng.random(200) < risk).astype(int),
            "risk": risk,
        }
    )
    path = tmp_path / "scores.csv"
    frame.to_csv(path, index=False)
    return path


CONV = {"kernel_size": 3, "padding": 1}
LAYERS = [
    ("Conv2d", {"in_channels": 1, "out_channels": 16, **CONV}, "features.0"),
    ("ReLU", {}, None),
    ("MaxPool2d", {"kernel_size": 2}, None),
    ("Conv2d", {"in_channels": 16, "out_channels": 32, **CONV}, "features.3"),
    ("ReLU", {}, None),
    ("MaxPool2d", {"kernel_size": 2}, None),
    ("Flatten", {}, None),
    ("Linear", {"in_features": 1568, "out_features": 64}, "classifier.1"),
    ("ReLU", {}, None),
    ("Dropout", {"p": 0.3}, None),
    ("Linear", {"in_features": 64, "out_features": 1}, "classifier.4"),
]


@pytest.fixture
def pneumonia(shared_data, tmp_path):
    """Write PneumoniaMNIST's test images as a study and the published network as a model."""
    study, model = tmp_path / "study", tmp_path / "model"
    write_study(shared_data, study)
    write_model(shared_data, model)
    return study, model


def write_study(shared, folder, *, rows=None):
    with np.load(shared / "pneumonia-mnist" / "pneumoniamnist.npz") as data:
        images, labels = data["test_images"][:rows], data["test_labels"].ravel()[:rows]
    folder.mkdir()
    names = [f"c{row:03d}" for row in range(len(images))]
    for name, pixels in zip(names, images, strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    frame = pd.DataFrame({"case_id": names, "pneumonia": labels})
    frame["file"] = frame["case_id"] + ".png"
    frame["half"] = np.where(np.arange(len(frame)) % 2, "odd", "even")
    frame.to_parquet(folder / "cases.parquet", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "pneumonia"\nversion = "1"\n[cases]\ntable = "cases.parquet"\n'
        '[labels.pneumonia]\ncolumn = "pneumonia"\n[groups.half]\ncolumn = "half"\n'
        '[inputs.image]\ncolumn = "file"\nkind = "png"\n',
        encoding="utf-8",
    )


def write_model(shared, folder, outputs=("pneumonia",)):
    folder.mkdir()
    data = (shared / "pneumonia-mnist" / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data)
    text = (
        '[model]\nid = "pneumonia"\nversion = "1.0"\ntask = "binary"\n'
        f'outputs = {json.dumps(list(outputs))}\nspace = "logit"\nthresholds = [0.5]\n'
        '[weights]\nformat = "safetensors"\nfile = "weights.safetensors"\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        '[inputs.image]\nsize = [28, 28]\nscale = "0-1"\nmean = [0.5]\nstd = [0.5]\n'
        '[architecture]\nname = "sequential"\n'
    )
    for kind, args, key in LAYERS:
        inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in args.items())
        text += f'[[architecture.layers]]\ntype = "{kind}"\nargs = {{ {inline} }}\n'
        text += f'key = "{key}"\n' if key else ""
    (folder / "model.toml").write_text(text, encoding="utf-8")
