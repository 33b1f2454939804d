"""Case review of images: another method for the same map, and overlaps of a segmentation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.running import run_study_audit
from dashboard.queries.explanations import Wanted, case_explanation, checked_folder
from dashboard.queries.runs import run_ref

FOLDERS = Path(__file__).parents[1] / "unit" / "audits" / "explanations" / "imaging_folders.py"
SIZE = 24


@pytest.fixture(scope="session")
def folders():
    """Return the module that writes study and model folders of images."""
    spec = importlib.util.spec_from_file_location("auscult_imaging_folders", FOLDERS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _study(folders, root):
    study, rows = root / "study", []
    study.mkdir()
    for at in range(8):
        pixels = np.full((32, 40), 50, dtype=np.uint8)
        pixels[8:20, 10:22] = 220 if at % 2 else 60
        Image.fromarray(pixels).save(study / f"{at}.png")
        # The reference lies two rows lower, so that no overlap is perfect.
        mask = np.roll(pixels > 100, 2, axis=0).astype(np.uint8) * 255
        Image.fromarray(mask).save(study / f"m{at}.png")
        rows.append((f"c{at}", f"p{at}", f"{at}.png", f"m{at}.png", at % 2, "FM"[at // 2 % 2]))
    columns = ["case_id", "patient_id", "image", "mask", "y", "sex"]
    inputs = {"image": {"column": "image", "kind": "png", "mask_column": "mask"}}
    cases = pd.DataFrame(rows, columns=columns)
    return folders.study_folder(study, cases, inputs=inputs, groups=["sex"])


def _model(folders, root, task):
    same = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}
    layers = [{"type": "Conv2d", "args": same, "key": "a"}]
    if task == "binary":
        layers += [{"type": "AdaptiveAvgPool2d", "args": {"output_size": 1}}, {"type": "Flatten"}]
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 20.0
    declared = {"space": "value"} if task == "anomaly" else {"thresholds": [0.5]}
    return folders.model_folder(
        root / "model",
        tensors={"a.weight": weight, "a.bias": torch.tensor([-8.0])},
        architecture={"name": "sequential", "layers": layers},
        inputs={"image": {"size": [SIZE, SIZE], "scale": "0-1"}},
        task=task,
        **declared,
    )


@pytest.fixture(scope="session")
def runs(folders, tmp_path_factory):
    """Return the folder of a run of every task, by its name."""
    made = {}
    for name in ("binary", "segmentation", "anomaly"):
        root = tmp_path_factory.mktemp(name)
        run_study_audit(
            _study(folders, root),
            [_model(folders, root, name)],
            out=root / "run",
            store=root / "store",
            explain_cases=2,
            check_cases=0,
        )
        made[name] = root
    return made


def _said(app) -> str:
    return "\n".join(str(one.value) for one in (*app.markdown, *app.caption, *app.header))


def _tested_by_somebody_else(run):
    """Put a tested explanation where the test of another session would have put it."""
    ref = run_ref(run)
    wanted = Wanted(ref=ref, model="m@1.0", case="c1", output="y", method="integrated_gradients")
    found = case_explanation(ref, "m@1.0", "c1", "y", method="integrated_gradients")
    passed = {"name": "deletion_rank", "value": 0.05, "null": 0.05, "verdict": "reflects"}
    folder = checked_folder(wanted)
    folder.mkdir(parents=True)
    np.savez(folder / found.entry["map"]["file"], patient=found.patient)
    (folder / "explanation.json").write_text(json.dumps({**found.entry, "checks": [passed]}))


def test_another_method_explains_the_same_score(open_app, runs):
    app = open_app(runs["binary"] / "store", "case_review", case="c1", output="y")
    assert not app.exception
    # What stands inside a closed note is sent once it is opened.
    assert "Read at layer" not in _said(app)
    app.session_state["method_note_m@1.0"] = True
    app.run()
    assert "Read at layer" in _said(app)
    assert "No scale bar: the image does not state its pixel spacing." in _said(app)
    assert not [one for one in app.selectbox if one.label == "Method"]
    app.toggle("other_method_m@1.0").set_value(True).run()
    assert not app.exception
    (picker,) = [one for one in app.selectbox if one.label == "Method"]
    assert len(picker.options) >= 8
    for method in ("occlusion", "integrated_gradients"):
        (picker,) = [one for one in app.selectbox if one.label == "Method"]
        picker.set_value(method).run()
        app.session_state["method_note_m@1.0"] = True
        app.run()
        assert not app.exception
        assert not app.error
        assert "Read at layer" not in _said(app)
        assert "Computed for this view and kept in the store" in _said(app)
    assert "Not yet checked" in _said(app)
    _tested_by_somebody_else(runs["binary"] / "run")
    app.run()
    assert "Reflects the model" in _said(app)
    app.toggle("other_method_m@1.0").set_value(False).run()
    app.session_state["method_note_m@1.0"] = True
    app.run()
    assert not app.exception
    assert "Read at layer" in _said(app)


def test_the_list_of_a_segmentation_shows_each_overlap(open_app, runs):
    app = open_app(runs["segmentation"] / "store", "case_review", case="c1", output="y")
    assert not app.exception
    assert not app.error
    (table,) = [one.value for one in app.dataframe if "Dice" in one.value.columns]
    run = runs["segmentation"] / "run" / "internal" / "predictions"
    (predictions,) = run.glob("*.parquet")
    held = pd.read_parquet(predictions).set_index("case_id")["dice__y"]
    shown = table.set_index("Case")["Dice"].astype(float)
    assert len(shown) == 8
    assert shown.to_dict() == pytest.approx(held[shown.index].to_dict(), nan_ok=True)
    assert 0 < shown["c1"] < 1
    assert "Overlap with the study's mask (Dice)" in _said(app)
    assert "Reference label of the study: present" in _said(app)
    assert "8 cases, highest Dice first." in _said(app)
    assert "Explained: **what the model segments**" in _said(app)


def test_a_picked_pixel_is_explained_by_itself(open_app, runs):
    app = open_app(runs["segmentation"] / "store", "case_review", case="c1", output="y")
    app.session_state["region"] = {("m@1.0", "c1", "y"): "pixel:9,12"}
    app.run()
    assert not app.exception
    assert "Explained: **the pixel in row 9, column 12**, 1 pixel of" in _said(app)
    next(one for one in app.button if one.label == "Explain the whole segmentation").click().run()
    assert "Explained: **what the model segments**" in _said(app)


def test_the_residual_of_an_anomaly_is_shown_where_nothing_can_be_flagged(open_app, runs):
    app = open_app(runs["anomaly"] / "store", "case_review", case="c1", output="y")
    assert not app.exception
    assert not app.error
    assert "8 cases, highest score first." in _said(app)
    payload = app.get("bidi_component")[0].proto.bytes
    meta = json.loads(payload[4 : 4 + int.from_bytes(payload[:4], "little")])
    assert meta["map"]["mode"] == "contour"
    assert meta["map"]["note"].startswith("Residual, 24×24 cells")
    assert meta["map"]["unit"] == "squared error"
    assert meta["map"]["scale_note"].startswith("the same for all patients, from ")
