"""Images, masks and models that do not fit, through the commands: a sentence or a fallback."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from pydicom.data import get_testdata_file

from audits.cli.failures import run_guarded
from model_adapters import manifest_text

from .imaging_folders import model_folder, study_folder

SIZE = 24
CASES = 10


def _network(folder, *, weight=3.0, **architecture):
    """Return two convolutions' worth of brightness; a negative weight makes it darkness."""
    layers = [
        ("Conv2d", {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}, "a"),
        ("ReLU", {}, None),
        ("MaxPool2d", {"kernel_size": 4}, None),
        ("AdaptiveAvgPool2d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 1, "out_features": 1}, "b"),
    ]
    tensors = {
        "a.weight": torch.full((1, 1, 3, 3), 1 / 9),
        "a.bias": torch.zeros(1),
        "b.weight": torch.tensor([[weight]]),
        "b.bias": torch.tensor([-0.5]),
    }
    return _sequential(folder, layers, tensors, **architecture)


def _flat_network(folder):
    """Return a network without a spatial layer."""
    layers = [
        ("Flatten", {}, None),
        ("Linear", {"in_features": SIZE * SIZE, "out_features": 1}, "b"),
    ]
    weight = torch.zeros(SIZE, SIZE)
    weight[6:12, 6:12] = 0.2
    tensors = {"b.weight": weight.reshape(1, -1), "b.bias": torch.tensor([-1.0])}
    return _sequential(folder, layers, tensors)


def _sequential(folder, layers, tensors, **architecture):
    named = [{"type": kind, "args": args, "key": key} for kind, args, key in layers]
    return model_folder(
        folder,
        tensors=tensors,
        architecture={"name": "sequential", "layers": named, **architecture},
        inputs={"image": {"size": [SIZE, SIZE], "scale": "0-1"}},
        thresholds=[0.5],
    )


def _black_box(folder):
    """Return the mean brightness as an ONNX graph."""
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    _declare(folder, data, "onnx", "model.onnx", inputs={"image": {"size": [SIZE, SIZE]}})
    return folder


def _scores_only(folder, study):
    cases = pd.read_parquet(study / "cases.parquet")
    data = pd.DataFrame({"case_id": cases["case_id"], "y": 0.3}).to_csv(index=False).encode()
    _declare(folder, data, "predictions", "scores.csv", space="probability")
    return folder


def _declare(folder, data, kind, file, *, inputs=None, space="logit"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    card = {"id": "m", "version": "1.0", "task": "binary", "outputs": ["y"], "space": space}
    document = {
        "model": {**card, "thresholds": [0.5]},
        "weights": {"format": kind, "file": file, "sha256": hashlib.sha256(data).hexdigest()},
    }
    document |= {"inputs": inputs} if inputs else {}
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return PNGs without spacing: blobs, one black, one white; masks of half their size."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    rows = []
    for at in range(CASES):
        pixels = rng.integers(30, 60, (40, 48)).astype(np.uint8)
        pixels[10:20, 12:22] = 220 if at % 2 else 60
        name = {0: "black", 1: "white"}.get(at, f"c{at}")
        if at < 2:
            pixels[:] = 255 * at
        Image.fromarray(pixels).save(folder / f"{name}.png")
        Image.fromarray((pixels[::2, ::2] > 100).astype(np.uint8) * 255).save(folder / f"m{at}.png")
        rows.append((name, f"p{at}", f"{name}.png", f"m{at}.png", at % 2, "FM"[at // 2 % 2]))
    columns = ["case_id", "patient_id", "image", "mask", "y", "sex"]
    cases = pd.DataFrame(rows, columns=columns)
    inputs = {"image": {"column": "image", "kind": "png"}}
    return study_folder(folder, cases, inputs=inputs, groups=["sex"])


@pytest.fixture(scope="module")
def masked(pictures, tmp_path_factory):
    """Return the same pictures; every mask that a study may declare has another size."""
    folder = tmp_path_factory.mktemp("masked")
    for file in pictures.glob("*.png"):
        (folder / file.name).write_bytes(file.read_bytes())
    columns = ("mask_column", "anatomy_mask_column", "marker_mask_column")
    inputs = {"image": {"column": "image", "kind": "png"} | dict.fromkeys(columns, "mask")}
    cases = pd.read_parquet(pictures / "cases.parquet")
    return study_folder(folder, cases, inputs=inputs, groups=["sex"])


@pytest.fixture
def auscult(capsys, tmp_path, monkeypatch):
    """Run a command; return its code, what it printed, and what it said on stderr."""
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "store"))

    def run(*arguments):
        code = run_guarded([str(a) for a in arguments])
        said = capsys.readouterr()
        assert code in {0, 2}, said.err
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def explain(auscult, tmp_path):
    """Explain a case; return the file and what was printed, or the sentence."""

    def run(study, model, case, *more):
        out = tmp_path / "why"
        shutil.rmtree(out, ignore_errors=True)
        asked = ("--study", study, "--model", model, "--case", case, "--out", out, "--no-checks")
        code, printed, said = auscult("explain", *asked, *more)
        if code:
            assert said.count("\n") == 1
            assert not (out / "explanation.json").exists()
            return None, said
        return json.loads((out / "explanation.json").read_text(encoding="utf-8")), printed

    return run


@pytest.fixture
def audit(auscult, tmp_path):
    """Audit a model; return its evidence, or the sentence."""

    def run(study, model):
        out = tmp_path / "run"
        code, _, said = auscult("audit", "--study", study, "--model", model, "--out", out)
        if code:
            assert said.strip().splitlines()[-1].endswith(".")  # after the lines of progress
            assert not out.exists()
            return None, said
        return json.loads((out / "evidence.json").read_text(encoding="utf-8")), said

    return run


def _notes(entry):
    return " ".join(one["message"] for one in entry["findings"])


def test_a_target_layer_that_does_not_exist(pictures, tmp_path, explain, audit):
    model = _network(tmp_path / "m", target_layer="features.nowhere")
    for _, said in (explain(pictures, model, "c3"), audit(pictures, model)):
        assert "features.nowhere" in said


def test_a_model_without_spatial_layers(pictures, tmp_path, explain, audit):
    model = _flat_network(tmp_path / "m")
    entry, printed = explain(pictures, model, "c3")
    assert entry["method"] == "occlusion"
    assert "occlusion was used instead" in printed
    evidence, _ = audit(pictures, model)
    assert evidence["explanations"]["m@1.0"]["cases"] > 0


def test_a_map_that_only_lowers_the_score(pictures, tmp_path, explain):
    model = _network(tmp_path / "m", weight=-3.0)
    entry, printed = explain(pictures, model, "c3")
    assert "No positive evidence for y" in printed
    with np.load(tmp_path / "why" / entry["map"]["file"]) as maps:
        assert maps["patient"].max() <= 0


def test_masks_of_another_size(masked, tmp_path, explain, audit):
    model = _network(tmp_path / "m")
    entry, _ = explain(masked, model, "c3")
    assert "mask of y has the shape (20, 24), the image (40, 48)" in _notes(entry)
    evidence, _ = audit(masked, model)
    assert evidence["explanations"]["m@1.0"]["cases"] > 0
    (said,) = evidence["findings"]
    assert said["where"] == "inputs.image"
    assert "10 of 10 masks of column 'mask'" in said["message"]
    assert "black (mask 20×24, image 40×48)" in said["message"]
    assert {one["suspect"] for one in evidence["shortcuts"]["outputs"]} == {"border"}


@pytest.mark.parametrize("case", ["black", "white"])
@pytest.mark.parametrize("method", ["gradcam", "integrated_gradients", "occlusion", "rise"])
def test_a_constant_image_and_a_saturated_one(pictures, tmp_path, explain, case, method):
    model = _network(tmp_path / "m")
    entry, printed = explain(pictures, model, case, "--method", method)
    assert entry["method"] == method
    with np.load(tmp_path / "why" / entry["map"]["file"]) as maps:
        assert np.isfinite(maps["patient"]).all()
        empty = not maps["native"].any()
    assert ("The map is zero everywhere" in printed) == empty
    assert "Every pixel of the image has the same value" in printed
    assert entry["score"]["logit"] == pytest.approx(-0.5 if case == "black" else 2.5, abs=0.4)


def test_maps_asked_for_of_black_boxes(pictures, tmp_path, explain, audit):
    model = _black_box(tmp_path / "m")
    _, said = explain(pictures, model, "c3", "--method", "gradcam")
    assert "'gradcam' is not offered for m@1.0; use one of occlusion" in said
    entry, _ = explain(pictures, model, "c3")
    assert entry["method"] == "occlusion"
    evidence, _ = audit(pictures, model)
    assert evidence["outputs"][0]["overall"]["n"] == CASES
    _, said = explain(pictures, _scores_only(tmp_path / "scores", pictures), "c3")
    assert "brings scores only" in said


def _slice(folder, name, **changes):
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for key, value in changes.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    folder.mkdir(exist_ok=True)
    dataset.save_as(folder / name)
    return folder / name


def _dicom_study(folder, names):
    cases = pd.DataFrame({"case_id": ["one"], "patient_id": ["p"], "image": names, "y": [1]})
    return study_folder(folder, cases, inputs={"image": {"column": "image", "kind": "dicom"}})


def test_an_image_without_spacing(tmp_path, explain):
    folder = tmp_path / "s"
    _slice(folder, "a.dcm", PixelSpacing=None, ImageOrientationPatient=None)
    study = _dicom_study(folder, ["a.dcm"])
    entry, _ = explain(study, _network(tmp_path / "m"), "one")
    with np.load(tmp_path / "why" / entry["map"]["file"]) as maps:
        assert maps["patient"].shape == (128, 128)


def test_a_volume_with_missing_slices(tmp_path, explain):
    folder = tmp_path / "s"
    folder.mkdir()
    for at, place in enumerate([0, 5, 10, 25, 30, 35]):
        _slice(
            folder / "scan", f"{at}.dcm", ImagePositionPatient=[0, 0, place], InstanceNumber=at + 1
        )
    layers = [
        ("Conv3d", {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}, "a"),
        ("ReLU", {}, None),
        ("AdaptiveAvgPool3d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 1, "out_features": 1}, "b"),
    ]
    named = [{"type": kind, "args": args, "key": key} for kind, args, key in layers]
    model = model_folder(
        tmp_path / "m",
        tensors={
            "a.weight": torch.full((1, 1, 3, 3, 3), 1 / 27),
            "a.bias": torch.zeros(1),
            "b.weight": torch.tensor([[1.0]]),
            "b.bias": torch.zeros(1),
        },
        architecture={"name": "sequential", "layers": named},
        inputs={"image": {"size": [6, 16, 16], "window": [-100.0, 300.0]}},
        thresholds=[0.5],
    )
    entry, printed = explain(_dicom_study(folder, ["scan"]), model, "one")
    assert "2 slices are missing" in printed
    assert "2 slices are missing" in _notes(entry)
