"""Segmentations and detections by group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.errors import AuditError
from audits.fairness.regions.detection import RATES, froc
from audits.fairness.regions.overlap import dice, hd95
from audits.reporting import restrict

RETINA = Path(__file__).parents[5] / "shared" / "data" / "retina-unet"


def blobs(seed):
    rng = np.random.default_rng(seed)
    grid = np.indices((40, 50)).transpose(1, 2, 0)
    at = rng.uniform(10, 30, (2, 2))
    return [np.linalg.norm(grid - one, axis=2) < rng.uniform(4, 9) for one in at]


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy")
@pytest.mark.parametrize("seed", range(6))
def test_overlap_and_distance_are_those_of_monai(seed):
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    drawn, true = blobs(seed)
    given = [torch.as_tensor(mask[None, None].astype(np.float32)) for mask in (drawn, true)]
    wanted = metrics.compute_hausdorff_distance(
        *given, include_background=True, percentile=95, spacing=(0.8, 2.5)
    )
    assert hd95(drawn, true, (0.8, 2.5)) == pytest.approx(float(wanted), rel=1e-5)
    overlap = 2 * (drawn & true).sum() / (drawn.sum() + true.sum())
    assert dice(drawn, true) == pytest.approx(overlap)


def test_nothing_against_nothing_is_undefined_not_perfect():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert np.isnan(dice(empty, empty))
    assert dice(empty, full) == 0
    assert np.isnan(hd95(empty, full, (1, 1)))


def measured(n=400, seed=2):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    return pd.DataFrame(
        {
            "sex": sex,
            "pid": rng.integers(0, n // 2, n),
            "dsc": np.clip(rng.beta(8, 2, n) - 0.2 * (sex == "F"), 0, 1),
            "far": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 3, n)),
        }
    )


def test_a_table_of_measurements_is_audited_by_group():
    frame = measured()
    found = audit_predictions(
        frame,
        task="segmentation",
        measures={"dice": "dsc", "hd95": "far"},
        patient="pid",
        groups=["sex"],
        policy={
            "audit": {"groups": ["sex"], "verdict_metrics": ["dice", "hd95"]},
            "margin": {"hd95": 2.0},
        },
    ).to_dict()
    json.dumps(found, allow_nan=False)
    (output,) = found["outputs"]
    for group in output["groups"]:
        rows = frame[frame["sex"] == group["attributes"]["sex"]]
        assert group["metrics"]["dice"]["value"] == pytest.approx(rows["dsc"].mean())
        assert group["metrics"]["hd95"]["value"] == pytest.approx(rows["far"].mean())
        assert group["metrics"]["hd95"]["n"] == rows["far"].notna().sum()
        assert "left out: no true or no drawn region" in group["metrics"]["hd95"]["reason"]
    verdicts = {c["metric"]: (c["verdict"], c["worse"]) for c in output["comparisons"]}
    assert verdicts["dice"] == ("disparity", "group")
    assert verdicts["hd95"][0] in {"equivalent", "inconclusive"}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"dsc": 1.2}, "outside"), ({"far": -1.0}, "below 0"), ({"dsc": "x"}, "no number")],
)
def test_measurements_that_cannot_be_are_refused(change, words):
    with pytest.raises(AuditError, match=words):
        audit_predictions(
            measured(50).assign(**change),
            task="segmentation",
            measures={"dice": "dsc", "hd95": "far"},
        )


def test_froc_by_hand():
    # 8 images, 4 lesions; false alarms at .9, .7, .5, .3: one alarm is 1/8 per image.
    kind = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    confidence = np.array([0.95, 0.8, 0.6, -np.inf, 0.9, 0.7, 0.5, 0.3])
    # Above the second alarm lie .95 and .8, above the third (1/4 an image) also .6, then no more.
    assert froc(kind, confidence, 8) == pytest.approx((2 + 3 * 6) / 4 / len(RATES))
    # Of 4 images 1/8 is half an alarm: between 1 of 4 found with none and 2 of 4 with one.
    assert froc(kind, confidence, 4) == pytest.approx((1.5 + 2 + 3 * 5) / 4 / len(RATES))
    assert np.isnan(froc(kind[4:], confidence[4:], 8))


def marks(images=300, seed=1):
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(images):
        sex = "FM"[image // 2 % 2]
        lesions, alarms = rng.poisson(0.9), rng.poisson(1.5)
        for _ in range(lesions):
            hit = rng.random() < (0.55 if sex == "F" else 0.85)
            rows.append((image, image // 2, sex, 1, rng.beta(4, 2) if hit else np.nan))
        rows += [(image, image // 2, sex, 0, rng.beta(2, 4)) for _ in range(alarms)]
        if lesions + alarms == 0:
            rows.append((image, image // 2, sex, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["image", "pid", "sex", "lesion", "confidence"])


ASKED = {
    "task": "detection",
    "label": "lesion",
    "score": "confidence",
    "image": "image",
    "patient": "pid",
    "groups": ["sex"],
}


def test_detections_are_compared_between_groups():
    frame = marks()
    (output,) = audit_predictions(frame, **ASKED).to_dict()["outputs"]
    for group in output["groups"]:
        rows = frame[frame["sex"] == group["attributes"]["sex"]]
        found = group["metrics"]["froc"]
        assert found["n"] == (rows["lesion"] == 1).sum() == group["positives"]
        assert found["low"] < found["value"] < found["high"]
        assert "not marked at all" in found["reason"]
    (gap,) = output["comparisons"]
    assert (gap["metric"], gap["verdict"], gap["worse"]) == ("froc", "disparity", "group")


def test_the_interval_of_froc_is_about_that_of_a_patient_bootstrap():
    frame = marks()
    found = audit_predictions(frame, **ASKED).to_dict()["outputs"][0]["overall"]["metrics"]["froc"]
    rng = np.random.default_rng(0)
    by_patient = [part for _, part in frame.groupby("pid")]
    draws = []
    for _ in range(100):
        taken = [by_patient[i] for i in rng.integers(0, len(by_patient), len(by_patient))]
        images = sum(part["image"].nunique() for part in taken)
        joined = pd.concat(taken)
        kind = joined["lesion"].fillna(-1).to_numpy().astype(int)
        draws.append(froc(kind, joined["confidence"].fillna(-np.inf).to_numpy(), images))
    half = (found["high"] - found["low"]) / 2 / 2.02
    assert half == pytest.approx(np.std(draws), rel=0.3)


def test_a_false_alarm_without_confidence_is_refused():
    frame = marks(30)
    frame.loc[frame["lesion"] == 0, "confidence"] = np.nan
    with pytest.raises(AuditError, match="false alarms have no score"):
        audit_predictions(frame, **ASKED)


def test_a_restricted_release_does_not_tell_how_few_cases_were_left_out():
    frame = measured()
    women = frame.index[frame["sex"] == "F"]
    frame["far"] = frame["far"].fillna(1.0)
    frame.loc[women[:3], "far"] = np.nan
    found = audit_predictions(
        frame, task="segmentation", measures={"dice": "dsc", "hd95": "far"}, groups=["sex"]
    ).to_dict()
    assert found["outputs"][0]["groups"][0]["metrics"]["hd95"]["reason"].startswith("3 cases")
    (output,) = restrict(found)["outputs"]
    for group in (output["overall"], output["groups"][0]):
        assert group["metrics"]["hd95"]["n"] is None
        assert group["metrics"]["hd95"]["value"] is None
        assert group["metrics"]["dice"]["value"] is not None
    assert output["groups"][1]["metrics"]["hd95"]["value"] is not None


def test_a_group_without_lesions_has_no_froc():
    frame = marks(60)
    frame.loc[(frame["sex"] == "F") & (frame["lesion"] == 1), "lesion"] = np.nan
    frame.loc[frame["lesion"].isna(), "confidence"] = np.nan
    (output,) = audit_predictions(frame, **ASKED).to_dict()["outputs"]
    women = next(g for g in output["groups"] if g["attributes"] == {"sex": "F"})
    assert women["metrics"]["froc"]["value"] is None
    assert women["metrics"]["froc"]["reason"] == "no lesions"
    assert {c["verdict"] for c in output["comparisons"]} == {"not_evaluable"}
