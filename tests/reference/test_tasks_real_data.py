"""Weighted cohorts, alarms and segmentations on real data, through the whole audit."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.running import run_study_audit

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
PUBLISHED = {
    "AfricanAmerican": 0.7551,
    "Asian": 0.8036,
    "Caucasian": 0.7597,
    "Hispanic": 0.8042,
    "Other": 0.7889,
}


@pytest.fixture(scope="module")
def admissions():
    folder = SHARED / "diabetes-admissions"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    frame = pd.read_parquet(folder / "predictions.parquet")
    events = pd.read_parquet(folder / "events.parquet")
    listed = frame["encounter_id"].isin(events["encounter_id"])
    return frame.assign(readmitted=listed.astype(int), race=frame["race"].astype(object))


def test_weighted_areas_of_real_admissions_are_the_published_ones(admissions):
    result = audit_predictions(
        admissions.assign(w=3.0),
        label="readmitted",
        score="LGBM_score",
        patient="patient_nbr",
        groups=["race"],
        weight="w",
        threshold=0.2,
    ).to_dict()["outputs"][0]
    assert result["overall"]["metrics"]["auroc"]["value"] == pytest.approx(0.7618, abs=5e-5)
    assert result["overall"]["metrics"]["prevalence"]["value"] == pytest.approx(0.1139, abs=5e-5)
    found = {g["attributes"]["race"]: g["metrics"]["auroc"] for g in result["groups"]}
    for race, area in PUBLISHED.items():
        assert found[race]["value"] == pytest.approx(area, abs=5e-5)
        assert found[race]["low"] < area < found[race]["high"]


def test_one_admission_in_ten_weighs_as_the_cohort_that_it_was_drawn_from(admissions):
    rng = np.random.default_rng(0)
    share = np.where(admissions["readmitted"] == 1, 0.5, 0.1)
    drawn = admissions.assign(w=1 / share)[rng.random(len(admissions)) < share]
    asked = {"label": "readmitted", "score": "LGBM_score", "patient": "patient_nbr"}
    metrics = [
        audit_predictions(drawn, threshold=0.2, **asked, **more).to_dict()["outputs"][0]["overall"][
            "metrics"
        ]
        for more in ({}, {"weight": "w"})
    ]
    # A case-control sample has another prevalence and calibration; its weights take them back.
    assert metrics[0]["prevalence"]["value"] > 0.3
    for name, value in (("prevalence", 0.1139), ("auroc", 0.7618)):
        assert metrics[1][name]["low"] < value < metrics[1][name]["high"]


def test_the_published_vessel_network_overlaps_its_ground_truth(tmp_path):
    if not (SHARED / "retina-unet").is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    path = ROOT / "tests" / "unit" / "audits" / "explanations" / "imaging_folders.py"
    spec = importlib.util.spec_from_file_location("auscult_imaging_folders_of_tasks", path)
    folders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(folders)
    study = folders.retina_study(tmp_path / "study", [0])
    model = folders.retina_model(tmp_path / "model")
    run = run_study_audit(
        study, [model], out=tmp_path / "run", store=tmp_path / "store", explain_cases=0
    )
    metrics = run.evidence["outputs"][0]["overall"]["metrics"]
    # The authors' own output of this frame, cut at .5, against the same truth.
    theirs = folders.retina_tile("all_predictions", 0) >= 128
    truth = folders.retina_tile("all_groundTruths", 0) >= 128
    overlap = 2 * (theirs & truth).sum() / (theirs.sum() + truth.sum())
    assert metrics["dice"]["value"] == pytest.approx(overlap, abs=0.01)
    assert metrics["hd95"]["value"] is None
    assert "pixel spacing" in metrics["hd95"]["reason"]
