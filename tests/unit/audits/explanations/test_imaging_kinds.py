"""Every kind of imaging model end to end: folders on disk, the command, the files it writes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.cohorts import open_study
from audits.errors import ExplanationError, StudyError
from audits.explanations import explain_case
from audits.explanations.cams import cam_engine
from audits.explanations.segmentation import RegionScores, parse_region
from audits.explanations.segmentation.regions import on_model, place_of
from model_adapters import AdapterError, check_model_folder, load_adapter
from model_adapters.preprocessing import fit_geometry

from .imaging_folders import (
    RETINA,
    model_folder,
    retina_model,
    retina_study,
    retina_tile,
    study_folder,
)

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE, SAMPLES = 100, 400


def _sequential(layers):
    return {
        "name": "sequential",
        "layers": [{"type": kind, "args": args, "key": key} for kind, args, key in layers],
    }


def _blob(size, at, value=200):
    pixels = np.full(size, 40, dtype=np.uint8)
    pixels[at[0] - 5 : at[0] + 5, at[1] - 5 : at[1] + 5] = value
    return pixels


# ------------------------------------------------------------------ segmentation


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    """Return a study of bright squares and a small U-Net that is the threshold of brightness."""
    from monai.networks.nets import UNet

    root = tmp_path_factory.mktemp("segmentation")
    args = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": [4, 8],
        "strides": [2],
        "norm": "BATCH",
    }
    torch.manual_seed(0)
    net = UNet(**args)
    x = torch.zeros(8, 1, 32, 40)
    places = [(10, 10), (20, 20), (12, 28), (22, 12), (8, 30), (16, 16), (24, 30), (14, 22)]
    for row, (i, j) in enumerate(places):
        x[row, 0, i - 5 : i + 5, j - 5 : j + 5] = 1.0
    optimiser = torch.optim.Adam(net.parameters(), lr=0.04)
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x), x)
        loss.backward()
        optimiser.step()
    model = model_folder(
        root / "model",
        tensors=net.state_dict(),
        architecture={"name": "monai.UNet", "args": args},
        inputs={"image": {"size": [32, 40], "window": [40, 200]}},
        task="segmentation",
        outputs=["square"],
        thresholds=[0.5],
    )
    study = root / "study"
    study.mkdir()
    rows = []
    for at in range(6):
        i, j = 12 + 2 * at, 16 + 3 * at
        pixels = _blob((48, 60), (i, j), 200 if at else 40)
        Image.fromarray(pixels).save(study / f"{at}.png")
        Image.fromarray(((pixels > 100) * 255).astype(np.uint8)).save(study / f"{at}_truth.png")
        rows.append((f"c{at}", f"p{at}", f"{at}.png", f"{at}_truth.png", int(at > 0), "FM"[at % 2]))
    columns = ["case_id", "patient_id", "image", "truth", "square", "sex"]
    inputs = {"image": {"column": "image", "kind": "png", "mask_column": "truth"}}
    study_folder(
        study,
        pd.DataFrame(rows, columns=columns),
        inputs=inputs,
        labels=["square"],
        groups=["sex"],
    )
    return study, model


def test_a_segmentation_is_explained_over_its_own_mask(segmenter, tmp_path):
    study, model = segmenter
    found = explain_case(study=study, model=model, case="c3", checks=False)
    assert found.method == "gradcam"
    assert found.map.native.shape == (16, 20)
    assert found.score.probability is None
    assert "Explained is the mean over the pixels that the model segments" in found.estimand
    region = found.region
    assert region.dice > 0.8
    assert region.unit == "pixels"
    assert region.size == pytest.approx(100, rel=0.3)
    assert region.removed_size < region.elsewhere_size
    assert region.removed_dice < region.elsewhere_dice
    found.save(tmp_path)
    kept = np.load(tmp_path / "map.npz")
    assert kept["segmented"].shape == kept["patient"].shape == (48, 60)
    assert json.loads((tmp_path / "explanation.json").read_text())["region"]["dice"] == region.dice


def test_boxes_of_an_occluded_segmentation_take_size_and_overlap(segmenter):
    study, model = segmenter
    found = explain_case(study=study, model=model, case="c3", method="occlusion", checks=False)
    size, dice = found.map.extra["size_effect"], found.map.extra["dice_effect"]
    assert size.shape == dice.shape == found.map.native.shape
    assert size.max() > 10
    assert dice.max() > 0.05
    assert np.abs(dice[size == 0]).max() < 0.05


def test_one_pixel_a_box_and_the_reference_can_be_asked_about(segmenter):
    study, model = segmenter
    pixel = explain_case(study=study, model=model, case="c3", region="pixel:18,25", checks=False)
    assert pixel.region.pixels == 1
    box = explain_case(study=study, model=model, case="c3", region="box:14,20,24,30", checks=False)
    assert box.region.pixels > 40
    truth = explain_case(study=study, model=model, case="c3", region="reference", checks=False)
    assert truth.region.text == "reference"
    assert truth.score.logit == pytest.approx(box.score.logit, rel=0.6)


def test_a_whole_audit_of_a_segmentation(segmenter, tmp_path):
    from audits.running import run_study_audit

    study, model = segmenter
    run = run_study_audit(
        study, [model], out=tmp_path / "r", store=tmp_path / "s", explain_cases=4, check_cases=1
    )
    assert run.evidence["outputs"][0]["overall"]["metrics"]["dice"]["value"] > 0.7
    told = run.evidence["explanations"]["m@1.0"]
    assert (told["method"], told["cases"], told["grid"]) == ("gradcam", 4, [16, 20])
    ranks = [one for one in told["checks"] if one["name"] == "deletion_rank"]
    assert ranks[0]["share"]["n"] == 1
    assert any(told["localisation"][0]["groups"])


def test_nothing_segmented_is_said(segmenter):
    study, model = segmenter
    found = explain_case(study=study, model=model, case="c0", checks=False)
    assert found.region.size == 0
    assert any("segments no square" in one.message for one in found.findings)
    with pytest.raises(ExplanationError, match="an empty one; use region mask"):
        explain_case(study=study, model=model, case="c0", region="reference", checks=False)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("blob", "expected mask, reference"),
        ("pixel:1", "expected mask, reference"),
        ("pixel:99,2", "no place in an image of 48x60"),
        ("box:5,5,5,9", "no place in an image of 48x60"),
        ("pixel:1,2,3", "no place in an image of 48x60"),
    ],
)
def test_a_region_that_is_none_is_one_sentence(segmenter, region, said):
    study, model = segmenter
    with pytest.raises(ExplanationError, match=said):
        explain_case(study=study, model=model, case="c3", region=region, checks=False)


def test_a_region_of_a_classifier_is_one_sentence(classifier_folder):
    study, model = classifier_folder
    with pytest.raises(ExplanationError, match="gives one score per case and no segmentation"):
        explain_case(study=study, model=model, case="c0", region="mask", checks=False)


def test_the_region_stays_while_the_image_changes(segmenter):
    study, model = segmenter
    adapter = RegionScores(model=load_adapter(model))
    opened = open_study(study)
    raw, _, _ = opened.raw_batch(adapter.inputs, ["c2", "c3"])
    prepared = adapter.prepare(raw)
    with torch.no_grad():
        both = adapter.forward(prepared).numpy()
    assert np.allclose(both, adapter.predict(prepared), atol=1e-5)
    single = adapter.predict({"image": prepared["image"][1:]})
    assert np.allclose(adapter.predict(prepared)[1:], single, atol=1e-6)


def test_regions_lie_where_they_lay_after_resize_and_padding():
    geometry = fit_geometry((100, 50), (64, 64), keep_aspect=True)
    mask = place_of(parse_region("pixel:80,10"), (100, 50))
    (place,) = np.argwhere(on_model(mask, geometry))
    assert tuple(place) == (int(80.5 * 0.64), 16 + int(10.5 * 0.64))
    whole = on_model(np.ones((100, 50), dtype=bool), geometry)
    assert whole[:, 16:48].all()
    assert not whole[:, :16].any()


@pytest.mark.skipif(not RETINA.is_dir(), reason="real data not here: ../shared/data/retina-unet")
def test_the_published_retina_network_gives_the_published_output(tmp_path):
    model, study = retina_model(tmp_path / "m"), open_study(retina_study(tmp_path / "s", [0]))
    adapter = load_adapter(model)
    raw, _, _ = study.raw_batch(adapter.inputs, ["eye-0"])
    values = adapter.predict(adapter.prepare(raw))[0, 0]
    probability = 1 / (1 + np.exp(-values))
    theirs = retina_tile("all_predictions", 0)
    assert np.corrcoef(probability.ravel(), theirs.ravel())[0, 1] > 0.99
    patch = load_adapter(retina_model(tmp_path / "patch", size=(48, 48)))
    engine = cam_engine(RegionScores(model=patch))
    assert (engine.layer, engine.grid) == ("relu6", (12, 12))


# ----------------------------------------------------------------------- signals


@pytest.fixture(scope="module")
def ecg(tmp_path_factory):
    """Return a study of 12-lead recordings and a 1-D network that looks for a spike in II."""
    root = tmp_path_factory.mktemp("ecg")
    width = 9
    weight = torch.zeros(2, len(LEADS), width)
    weight[0, 1] = torch.linspace(-1, 1, width).abs().mul(-2).add(1)
    weight[1, 1] = 0.05
    layers = [
        ("Conv1d", {"in_channels": 12, "out_channels": 2, "kernel_size": width, "padding": 4}, "a"),
        ("ReLU", {}, None),
        ("AvgPool1d", {"kernel_size": 8}, None),
        ("AdaptiveMaxPool1d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 2, "out_features": 1}, "b"),
    ]
    tensors = {
        "a.weight": weight,
        "a.bias": torch.zeros(2),
        "b.weight": torch.tensor([[4.0, 0.1]]),
        "b.bias": torch.tensor([-1.0]),
    }
    model = model_folder(
        root / "model",
        tensors=tensors,
        architecture=_sequential(layers),
        inputs={"ecg": {"leads": list(LEADS), "samples": SAMPLES, "rate": float(RATE)}},
        outputs=["spike"],
    )
    study, rng, rows = root / "study", np.random.default_rng(0), []
    study.mkdir()
    for at in range(8):
        values = rng.normal(scale=0.02, size=(12, SAMPLES)).astype(np.float32)
        if at % 2:
            values[1, 100 + 30 * at : 106 + 30 * at] += 1.0
        _write_recording(study, at, values)
        suffix = ("npy", "csv", "hea")[at % 3]
        rows.append((f"e{at}", f"p{at}", f"{at}.{suffix}", at % 2, "ab"[at // 4]))
    cases = pd.DataFrame(rows, columns=["case_id", "patient_id", "file", "spike", "site"])
    inputs = {
        "ecg": {
            "column": "file",
            "kind": "signal",
            "rate": RATE,
            "leads": list(LEADS),
            "unit": "mV",
        }
    }
    study_folder(study, cases, inputs=inputs, labels=["spike"], groups=["site"])
    return study, model


def _write_recording(folder, at, values):
    np.save(folder / f"{at}.npy", values)
    table = pd.DataFrame(values.T, columns=LEADS)
    table.insert(0, "time", np.arange(values.shape[1]) / RATE)
    table.to_csv(folder / f"{at}.csv", index=False)
    stored = np.rint(values * 1000).astype("<i2")
    (folder / f"{at}.dat").write_bytes(np.ascontiguousarray(stored.T).tobytes())
    lines = [f"{at} 12 {RATE} {values.shape[1]}"]
    lines += [f"{at}.dat 16 1000.0(0)/mV 16 0 {stored[k, 0]} 0 0 {LEADS[k]}" for k in range(12)]
    (folder / f"{at}.hea").write_text("\n".join(lines) + "\n# made in a test\n")


def test_the_three_formats_of_a_recording_agree(ecg, tmp_path):
    study, _ = ecg
    opened = open_study(study)
    for case, other in (("e0", "0.csv"), ("e1", "1.npy"), ("e2", "2.npy")):
        signal = opened.signal(case, "ecg")
        from audits.cohorts.signals import SignalFacts, open_signal

        twin = open_signal(study / other, SignalFacts(rate=RATE, leads=LEADS, unit="mV"))
        assert np.allclose(signal.values, twin.values, atol=6e-4)
        assert (signal.rate, signal.leads, signal.unit) == (RATE, LEADS, "mV")


def test_a_map_of_a_signal_lies_on_its_time_axis(ecg, tmp_path):
    study, model = ecg
    for case, at in (("e1", 133), ("e5", 253)):
        found = explain_case(study=study, model=model, case=case, checks=False)
        assert (found.method, found.map.layer) == ("gradcam", "2_AvgPool1d")
        assert found.map.native.shape == (50,)
        assert found.patient.shape == (SAMPLES,)
        assert abs(int(found.patient.argmax()) - at) <= 8
    found.save(tmp_path)
    assert (tmp_path / "map.png").is_file()
    assert not (tmp_path / "image.png").exists()


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "region_shapley", "rise"])
def test_other_methods_find_the_spike_too(ecg, method):
    study, model = ecg
    found = explain_case(study=study, model=model, case="e3", method=method, checks=False)
    assert abs(int(found.patient.argmax()) - 193) <= 20


def test_another_rate_is_resampled_and_what_the_model_never_saw_is_zero(ecg):
    study, model = ecg
    adapter, spike = load_adapter(model), open_study(study).signal("e3", "ecg")
    from dataclasses import replace

    slow = replace(spike, values=np.repeat(spike.values, 2, axis=1), rate=2.0 * RATE)
    assert float(adapter.predict(adapter.prepare({"ecg": [slow]}))[0, 0]) == pytest.approx(
        float(adapter.predict(adapter.prepare({"ecg": [spike]}))[0, 0]), rel=0.15
    )
    long = replace(spike, values=np.tile(spike.values, 2))
    assert adapter.prepare({"ecg": [long]})["ecg"].shape == (1, 12, SAMPLES)
    geometry = adapter.geometry("ecg", (2 * SAMPLES,))
    spread = geometry.to_native(np.ones(50))
    assert spread[: SAMPLES - 8].min() == 1
    assert spread[SAMPLES:].max() == 0


def test_a_signal_model_keeps_its_promises(ecg):
    _, model = ecg
    assert all(one.passed for one in check_model_folder(model))


def test_a_whole_audit_of_signals(ecg, tmp_path):
    from audits.running import run_study_audit

    study, model = ecg
    run = run_study_audit(
        study, [model], out=tmp_path / "r", store=tmp_path / "s", explain_cases=4, check_cases=1
    )
    told = run.evidence["explanations"]["m@1.0"]
    assert (told["method"], told["grid"]) == ("gradcam", [50])
    assert 0 < told["map_scale"] < 10
    assert run.evidence["outputs"][0]["overall"]["n"] == 8


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.npy", None, "there is no such file"),
        ("x.mat", b"1", "found '.mat'"),
        ("x.npy", b"no array", "does not open"),
        ("x.hea", b"x 1 100 4\nx.dat 212 200 12 0 0 0 0 II\n", "stored in format 212"),
        ("x.hea", b"x 1 100 4\nx.dat 16 200 16 0 0 0 0 II\n", "belongs beside the header"),
        ("x.csv", b"time,II\n0,1\n1,2\n5,3\n", "do not rise in even steps"),
        ("x.csv", b"II\n1\n\nx\n", "does not open"),
        ("x.csv", b"II\n1\n2\n", "give the input a rate"),
    ],
)
def test_a_recording_that_is_none_is_one_sentence(tmp_path, name, content, said):
    from audits.cohorts.signals import SignalFacts, open_signal

    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=said):
        open_signal(tmp_path / name, SignalFacts())


def test_a_missing_lead_is_one_sentence(ecg):
    study, model = ecg
    adapter, signal = load_adapter(model), open_study(study).signal("e0", "ecg")
    from dataclasses import replace

    fewer = replace(signal, values=signal.values[:6], leads=LEADS[:6])
    with pytest.raises(AdapterError, match="has no lead 'V1'"):
        adapter.prepare({"ecg": [fewer]})


# ------------------------------------------------------------------ autoencoders


def test_an_autoencoder_shows_where_it_failed_and_why(tmp_path):
    torch.manual_seed(0)
    args = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": [4, 8],
        "strides": [2, 2],
    }
    from monai.networks.nets import AutoEncoder

    net = AutoEncoder(**args)
    flat = torch.zeros(4, 1, 32, 32)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(40):
        optimiser.zero_grad()
        ((net(flat) - flat) ** 2).mean().backward()
        optimiser.step()
    model = model_folder(
        tmp_path / "m",
        tensors=net.state_dict(),
        architecture={"name": "monai.AutoEncoder", "args": args},
        inputs={"image": {"size": [32, 32], "window": [40, 240]}},
        task="anomaly",
        outputs=["odd"],
        space="value",
    )
    study = tmp_path / "s"
    study.mkdir()
    for at in range(2):
        Image.fromarray(_blob((64, 64), (20, 44), 240 if at else 40)).save(study / f"{at}.png")
    cases = pd.DataFrame(
        {
            "case_id": ["plain", "odd"],
            "patient_id": ["a", "b"],
            "image": ["0.png", "1.png"],
            "odd": [0, 1],
        }
    )
    study_folder(study, cases, inputs={"image": {"column": "image", "kind": "png"}}, labels=["odd"])
    found = explain_case(study=study, model=model, case="odd", checks=False)
    assert found.method == "residual"
    assert (
        found.score.value
        > 10 * explain_case(study=study, model=model, case="plain", checks=False).score.value
    )
    assert found.additivity_residual < 1e-4
    row, column = np.unravel_index(found.patient.argmax(), (64, 64))
    assert abs(row - 20) < 13
    assert abs(column - 44) < 13
    for method in ("integrated_gradients", "gradcam", "occlusion"):
        attributed = explain_case(study=study, model=model, case="odd", method=method, checks=False)
        assert attributed.method == method
        if method == "gradcam":  # two cells of a collapsed code hold no place
            continue
        row, column = np.unravel_index(attributed.patient.argmax(), (64, 64))
        assert abs(row - 20) < 16
        assert abs(column - 44) < 16


# ------------------------------------------------------------ colour, views, geometry


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory):
    """Return colour pictures, two a patient, and a network that sees the red of a place."""
    root = tmp_path_factory.mktemp("colour")
    layers = [
        ("Conv2d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": 1}, "a"),
        ("ReLU", {}, None),
        ("MaxPool2d", {"kernel_size": 4}, None),
        ("AdaptiveAvgPool2d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 2, "out_features": 1}, "b"),
    ]
    weight = torch.zeros(2, 3, 3, 3)
    weight[0, 0, 1, 1], weight[0, 1, 1, 1], weight[1, 2, 1, 1] = 1.0, -1.0, 0.2
    tensors = {
        "a.weight": weight,
        "a.bias": torch.zeros(2),
        "b.weight": torch.tensor([[60.0, 0.1]]),
        "b.bias": torch.tensor([-2.0]),
    }
    model = model_folder(
        root / "model",
        tensors=tensors,
        architecture=_sequential(layers),
        inputs={"image": {"size": [32, 32], "channels": 3, "resize": "fit"}},
    )
    study, rows = root / "study", []
    study.mkdir()
    for at in range(8):
        pixels = np.full((60, 40, 3), 90, dtype=np.uint8)
        if at % 2:
            pixels[40:50, 10:18] = (230, 40, 60)
        pixels[0, 0] = (1, 2, 3)
        Image.fromarray(pixels).save(study / f"{at}.png")
        rows.append((f"c{at}", f"p{at // 2}", f"{at}.png", at % 2, "derm" if at < 4 else "slide"))
    cases = pd.DataFrame(rows, columns=["case_id", "patient_id", "image", "y", "site"])
    inputs = {"image": {"column": "image", "kind": "png"}}
    study_folder(study, cases, inputs=inputs, groups=["site"])
    return study, model


def test_colour_images_and_several_views_of_a_patient(classifier_folder, tmp_path):
    from audits.running import run_study_audit

    study, model = classifier_folder
    found = explain_case(study=study, model=model, case="c1", checks=False)
    row, column = np.unravel_index(found.patient.argmax(), (60, 40))
    assert abs(row - 45) <= 7
    assert abs(column - 14) <= 7
    assert found.map.image.shape == (60, 40, 3)
    assert found.save(tmp_path / "why")
    run = run_study_audit(
        study, [model], out=tmp_path / "r", store=tmp_path / "s", explain_cases=8, check_cases=0
    )
    overall = run.evidence["outputs"][0]["overall"]
    assert (overall["n"], overall["patients"]) == (8, 4)
    assert run.evidence["explanations"]["m@1.0"]["cases"] == 8
