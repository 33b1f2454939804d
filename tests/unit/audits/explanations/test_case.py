"""Explaining a case: the right method, whole results, and one sentence where it is impossible."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, explain_cohort_sample, methods_for
from model_adapters.base import Feature, Field, ImageValue, ModelCard, OutputSpec, TargetLayer

from .conftest import FrameStudy, InPlaceNet, TorchAdapter, image_adapter, table_adapter

KEYS = {
    "case",
    "model",
    "output",
    "score",
    "method",
    "estimand",
    "background",
    "base_value",
    "additivity_residual",
    "off_support_share",
    "players",
    "map",
    "checks",
}


@pytest.fixture
def images(seeded):
    return {
        f"case-{index}": ImageValue(
            pixels=seeded.normal(100, 30, size=(48, 40)).astype(np.float32), low=0.0, high=200.0
        )
        for index in range(5)
    }


@pytest.fixture
def image_study(images):
    return FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)


@pytest.fixture
def table_study(seeded):
    frame = pd.DataFrame(seeded.normal(size=(60, 15)), columns=[f"x{i}" for i in range(15)])
    frame.index = [f"case-{index}" for index in frame.index]
    frame.loc["case-0", "x3"] = np.nan
    known = (Feature(name="x1", label="Lactate", unit="mmol/L", normal=(0.5, 2.2)),)
    return FrameStudy(cases=frame, variables=known)


class NanAware(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(15, 12), torch.nn.ReLU(), torch.nn.Linear(12, 2)
        )

    def forward(self, x):
        return self.body(x.nan_to_num(0.0))


@pytest.fixture
def table_model(seeded):
    return table_adapter(NanAware().eval(), 15, outputs=2)


def test_a_table_is_explained_by_its_variables(table_study, table_model, tmp_path):
    why = explain_adapter_case(table_study, table_model, "case-0", output="o1")
    data = why.to_dict()
    assert set(data) >= KEYS
    assert why.method == "shapley"
    assert [player.name for player in why.players] == [f"x{i}" for i in range(15)]
    assert why.players[1].label == "Lactate"
    assert why.players[3].value == "not measured"
    assert why.players[2].unit == "mmol/L"
    assert all(player.se is not None for player in why.players)
    total = sum(player.effect for player in why.players)
    assert total == pytest.approx(why.score.logit - why.base_value, abs=1e-5)
    assert why.additivity_residual < 1e-4
    assert 0 <= why.off_support_share <= 1
    assert why.background.n == 60
    assert "60 of 60 audited cases" in why.background.name
    assert why.checks[0].name == "additivity"
    assert why.checks[0].verdict == "reflects"
    written = why.save(tmp_path / "out")
    assert [path.name for path in written] == ["explanation.json"]
    assert json.loads(written[0].read_text()) == json.loads(json.dumps(data))


def test_the_same_seed_gives_the_same_explanation(table_study, table_model):
    one = explain_adapter_case(table_study, table_model, "case-1", output="o0", seed=4)
    two = explain_adapter_case(table_study, table_model, "case-1", output="o0", seed=4)
    assert one.to_dict() == two.to_dict()


def test_without_a_name_the_highest_output_is_explained(table_study, table_model):
    raw, _, _ = table_study.raw_batch(table_model.inputs, ["case-5"])
    scores = table_model.predict(table_model.prepare(raw))[0]
    why = explain_adapter_case(table_study, table_model, "case-5")
    assert why.output == f"o{int(np.argmax(scores))}"


def test_an_image_is_explained_by_a_map_in_patient_space(image_study, tmp_path):
    adapter = image_adapter(InPlaceNet().eval(), 3)
    why = explain_adapter_case(image_study, adapter, "case-2", output="finding_1")
    assert why.method == "gradcam"
    assert why.native.shape == (8, 8)
    assert why.patient.shape == (48, 40)
    assert why.map.to_dict()["layer"] == "second"
    assert why.map.scale >= np.abs(why.native).max()
    assert {check.verdict for check in why.checks} == {"not_checked"}
    assert why.players == ()
    names = {path.name for path in why.save(tmp_path)}
    assert names == {"explanation.json", "map.npz", "map.png", "image.png"}
    with np.load(tmp_path / "map.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["native"], why.native)
        assert np.array_equal(arrays["patient"], why.patient)
    plain = np.asarray(Image.open(tmp_path / "image.png"))
    expected = np.round(np.clip(image_study.images["case-2"].pixels / 200, 0, 1) * 255)
    assert np.array_equal(plain, expected.astype(np.uint8))
    json.loads((tmp_path / "explanation.json").read_text())


def test_a_delta_comes_back_within_half_a_cell():
    """A model that reads one place: the map's peak lies there, on a non-square image."""

    class Bright(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = torch.nn.AvgPool2d(4)

        def forward(self, x):
            return self.pool(x).flatten(1).amax(dim=1, keepdim=True)

    adapter = image_adapter(Bright().eval(), 1, shape=(1, 64, 64))
    for row, column in [(14, 30), (40, 100), (80, 122)]:
        pixels = np.zeros((96, 140), dtype=np.float32)
        pixels[row - 1 : row + 2, column - 1 : column + 2] = 100
        value = ImageValue(pixels=pixels, low=0, high=100)
        study = FrameStudy(cases=pd.DataFrame(index=["a"]), images={"a": value})
        why = explain_adapter_case(study, adapter, "a")
        peak = np.unravel_index(why.patient.argmax(), why.patient.shape)
        half = (96 / 16 / 2, 140 / 16 / 2)
        assert abs(peak[0] - row) <= half[0]
        assert abs(peak[1] - column) <= half[1]


def test_a_volume_has_a_picture_too(seeded, tmp_path):
    net = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 1),
    ).eval()
    adapter = image_adapter(net, 1, shape=(1, 8, 16, 16))
    value = ImageValue(pixels=seeded.random((10, 24, 20)).astype(np.float32), low=0.0, high=1.0)
    study = FrameStudy(cases=pd.DataFrame(index=["a"]), images={"a": value})
    why = explain_adapter_case(study, adapter, "a")
    assert why.patient.shape == (10, 24, 20)
    why.save(tmp_path)
    assert np.asarray(Image.open(tmp_path / "image.png")).shape == (24, 20)


def test_a_colour_image_keeps_its_colours(seeded, tmp_path):
    class Grey(InPlaceNet):
        def forward(self, x):
            return super().forward(x.mean(dim=1, keepdim=True))

    adapter = image_adapter(Grey().eval(), 3)
    value = ImageValue(
        pixels=seeded.random((24, 20, 3)).astype(np.float32), low=0.0, high=1.0, colour=True
    )
    adapter.prepare = lambda raw: {"image": torch.rand(1, 3, 32, 32)}
    study = FrameStudy(cases=pd.DataFrame(index=["a"]), images={"a": value})
    why = explain_adapter_case(study, adapter, "a")
    assert why.patient.shape == (24, 20)
    why.save(tmp_path)
    assert np.asarray(Image.open(tmp_path / "image.png")).shape == (24, 20, 3)


def test_a_black_box_gets_occlusion_by_default(image_study):
    adapter = image_adapter(InPlaceNet().eval(), 3, caps=frozenset())
    assert methods_for(adapter)[0] == "occlusion"
    why = explain_adapter_case(image_study, adapter, "case-1", output="finding_0")
    assert why.method == "occlusion"
    assert why.native.shape == (14, 14)


def test_a_fallback_says_so(image_study):
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 2)).eval()
    why = explain_adapter_case(image_study, image_adapter(flat, 2), "case-1", method="gradcam")
    assert why.method == "occlusion"
    assert "gradcam is impossible" in why.findings[0].message


def test_all_negative_evidence_is_said_and_not_stretched(image_study):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 1),
    ).eval()
    with torch.no_grad():
        net[0].weight.abs_()
        net[4].weight.copy_(-net[4].weight.abs())
    why = explain_adapter_case(image_study, image_adapter(net, 1), "case-1")
    assert why.native.max() <= 0
    assert "No positive evidence" in why.findings[0].message


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"case_id": "case-9999"}, "60 audited cases"),
        ({"output": "sepsis"}, "gives o0, o1"),
        ({"method": "gradcam"}, "use one of shapley"),
    ],
)
def test_what_does_not_exist_is_one_sentence(table_study, table_model, asked, says):
    arguments = {"case_id": "case-0", **asked}
    with pytest.raises(ExplanationError, match=says) as caught:
        explain_adapter_case(table_study, table_model, **arguments)
    assert "\n" not in str(caught.value)


def test_scores_without_a_model_cannot_be_explained(table_study):
    adapter = TorchAdapter(
        net=torch.nn.Identity(),
        inputs=(Field(name="case_id", modality="case_id"),),
        output=OutputSpec(task="binary", names=("y",), space="probability"),
        caps=frozenset(),
    )
    with pytest.raises(ExplanationError, match="scores only"):
        explain_adapter_case(table_study, adapter, "case-0")


def test_a_saturated_probability_is_said(table_study):
    net = torch.nn.Sequential(NanAware(), torch.nn.Hardsigmoid())
    net[0].body[2].bias.data += 100
    adapter = table_adapter(net.eval(), 15, outputs=2, space="probability")
    why = explain_adapter_case(table_study, adapter, "case-0")
    assert why.score.logit is None
    assert why.score.probability == 1.0
    assert "near 0 or 1" in why.findings[0].message


def test_a_sample_of_tables_shares_its_evaluations(table_study, table_model):
    cases = list(table_study.case_ids[:10])
    whys, summary = explain_cohort_sample(table_study, table_model, cases)
    assert [(why.case, why.output) for why in whys] == [
        (case, output) for case in cases for output in ("o0", "o1")
    ]
    assert summary["cases"] == 10
    assert summary["background"]["n"] == 60
    first = summary["outputs"][0]["importance"]
    assert len(first) == 15
    top = first[0]["mean_absolute_effect"]
    assert top["low"] <= top["value"] <= top["high"]
    assert top["n"] == 10
    values = [one["mean_absolute_effect"]["value"] for one in first]
    assert values == sorted(values, reverse=True)
    assert summary["outputs"][0]["worst_additivity_residual"] < 1e-4
    json.dumps(summary, allow_nan=False)


def test_a_sample_of_images_takes_maps_it_is_given(image_study):
    adapter = image_adapter(
        InPlaceNet().eval(), 3, declared=TargetLayer(name="second", source="declared")
    )
    cases = list(image_study.case_ids)
    whys, summary = explain_cohort_sample(image_study, adapter, cases)
    given = {cases[0]: np.full((3, 8, 8), 2.0, dtype=np.float32)}
    again, _ = explain_cohort_sample(image_study, adapter, cases, maps=given)
    assert np.all(again[0].native == 2.0)
    assert np.array_equal(again[3].native, whys[3].native)
    assert summary["layer"] == "second"
    randomised = [one for one in summary["checks"] if one["name"] == "parameter_randomisation"]
    assert [one["output"] for one in randomised] == ["finding_0", "finding_1", "finding_2"]
    assert all(one["verdict"] != "not_checked" for one in randomised)
    assert whys[0].checks[-1].verdict == randomised[0]["verdict"]
    assert summary["grid"] == [8, 8]
    word = "not_checked" if randomised[0]["verdict"] == "reflects" else randomised[0]["verdict"]
    assert {"verdict": word, "k": 5, "n": 5} in summary["outputs"][0]["badges"]
    alone = explain_adapter_case(image_study, adapter, cases[1], output="finding_2")
    assert whys[5].native == pytest.approx(alone.native, abs=1e-6)


def test_a_sample_without_usable_cases_says_why(image_study):
    adapter = image_adapter(InPlaceNet().eval(), 3)
    whys, summary = explain_cohort_sample(image_study, adapter, ["nobody"])
    assert whys == []
    assert summary["reason"]
    assert summary["outputs"] == []


def test_identity_of_the_model_is_kept(table_study, table_model):
    table_model.card = ModelCard(
        id="m", version="2", weights_sha256="0" * 64, manifest_sha256="1" * 64, format="x"
    )
    assert explain_adapter_case(table_study, table_model, "case-3").model == "m@2"


@pytest.mark.parametrize(
    "method",
    [
        "hirescam",
        "gradcam++",
        "layercam",
        "eigencam",
        "integrated_gradients",
        "expected_gradients",
        "smoothgrad",
        "occlusion",
        "region_shapley",
        "rise",
    ],
)
def test_every_method_gives_a_whole_result(image_study, method, tmp_path):
    adapter = image_adapter(InPlaceNet().eval(), 3)
    assert method in methods_for(adapter)
    why = explain_adapter_case(image_study, adapter, "case-3", output="finding_2", method=method)
    data = why.to_dict()
    assert data["method"] == method
    assert why.patient.shape == (48, 40)
    assert np.isfinite(why.patient).all()
    assert {"{", "}"}.isdisjoint(why.estimand)
    assert all(weight.requires_grad for weight in adapter.net.parameters())
    if method in {"integrated_gradients", "expected_gradients"}:
        assert why.checks[0].name == "completeness"
        assert why.background.n >= 1
    if method == "region_shapley":
        assert len(why.players) == 36
        assert why.additivity_residual < 1e-3
    json.dumps(data, allow_nan=False)
