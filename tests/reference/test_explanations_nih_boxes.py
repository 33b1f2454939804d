"""Boxes drawn by radiologists on real radiographs, from a study folder to numbers by subgroup.

The network is the sample's, which learnt from drawings: its numbers on people are poor, and what is
proven here is that they are the right numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits.cohorts.boxes import filled
from audits.explanations import explain_case
from audits.explanations.localisation import localise
from audits.running import run_study_audit
from model_adapters import manifest_text

ROOT = Path(__file__).parents[2]
NIH = ROOT.parent / "shared" / "data" / "nih-chexnet"
MODEL = ROOT / "sample_data" / "chest_xray" / "models" / "1.0"
FINDINGS = {"Effusion": "effusion", "Nodule": "nodule", "Cardiomegaly": "cardiomegaly"}

pytestmark = pytest.mark.skipif(not NIH.is_dir(), reason="the shared NIH images are not here")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return every boxed image of the three findings and some others, with the boxes."""
    folder = tmp_path_factory.mktemp("nih")
    images = pd.read_csv(NIH / "images.csv")
    boxes = pd.read_csv(NIH / "boxes.csv").rename(
        columns={"image": "case_id", "finding": "label", "w": "width", "h": "height"}
    )
    boxes = boxes[boxes["case_id"].isin(images["image"]) & boxes["label"].isin(FINDINGS)]
    boxes["label"] = boxes["label"].map(FINDINGS)
    boxes.to_csv(folder / "boxes.csv", index=False)
    boxed = images["image"].isin(boxes["case_id"])
    cases = pd.concat([images[boxed], images[~boxed].head(8)])
    for name in cases["image"]:
        (folder / name).symlink_to(NIH / "images" / name)
    for finding, label in FINDINGS.items():
        cases[label] = cases["findings"].str.contains(finding).astype(int)
    cases["case_id"] = cases["image"]
    cases.to_parquet(folder / "cases.parquet")
    spec = {
        "study": {"name": "nih", "version": "1"},
        "cases": {"table": "cases.parquet", "patient": "patient_id", "scope": "external"},
        "labels": {label: {"column": label} for label in FINDINGS.values()},
        "groups": {"sex": {"column": "sex"}, "view": {"column": "view", "kind": "clinical"}},
        "inputs": {"image": {"column": "image", "kind": "png", "boxes": "boxes.csv"}},
    }
    (folder / "study.toml").write_text(manifest_text(spec), encoding="utf-8")
    return folder


def test_maps_meet_the_boxes_overall_and_by_subgroup(study, tmp_path):
    run = run_study_audit(
        study, [MODEL], out=tmp_path / "run", store=tmp_path / "store", explain_cases=20,
        check_cases=0,
    )  # fmt: skip
    (summary,) = run.evidence["explanations"].values()
    found = {one["output"]: one for one in summary["localisation"]}
    boxes = pd.read_csv(study / "boxes.csv")
    assert set(found) == set(boxes["label"])
    for output, one in found.items():
        mine = boxes[boxes["label"] == output]
        assert one["overall"]["iou"]["n"] == mine["case_id"].nunique()
        assert {name for group in one["groups"] for name in group["attributes"]} == {"sex", "view"}
        per_case = [_of_case(tmp_path / "run", case, output, mine) for case in mine["case_id"]]
        for name in ("iou", "pointing_game", "mass_share", "area_share"):
            expected = np.mean([values[name] for values in per_case])
            assert one["overall"][name]["value"] == pytest.approx(expected, rel=1e-6)
            assert one["overall"][name]["low"] <= expected <= one["overall"][name]["high"]
        sexes = [g["metrics"]["iou"]["n"] for g in one["groups"] if "sex" in g["attributes"]]
        assert sum(sexes) == len(per_case)


def _of_case(run, case, output, boxes):
    """Compare the map of the run with the boxes by hand, and with what the run says of the case."""
    for path in run.rglob("explanation.json"):
        entry = json.loads(path.read_bytes())
        if (entry["case"], entry["output"]) == (case, output):
            with np.load(path.parent / entry["map"]["file"]) as arrays:
                patient = arrays["patient"]
            sides = boxes.loc[boxes["case_id"] == case, ["x", "y", "width", "height"]]
            mask = filled(tuple(map(tuple, sides.to_numpy())), patient.shape)
            assert entry["localisation"] == pytest.approx(localise(patient, mask).to_dict())
            return entry["localisation"]
    raise AssertionError(f"{case} {output} was not explained")


def test_one_case_says_how_its_map_meets_the_box(study, tmp_path):
    boxes = pd.read_csv(study / "boxes.csv")
    case = boxes.loc[boxes["label"] == "cardiomegaly", "case_id"].iloc[0]
    found = explain_case(study=study, model=MODEL, case=case, output="cardiomegaly", checks=False)
    assert found.patient.shape == (1024, 1024)
    mine = boxes[boxes["case_id"] == case]
    area = float((mine["width"] * mine["height"]).sum()) / 1024**2
    assert found.localisation.area == pytest.approx(area, rel=0.02)
    other = explain_case(study=study, model=MODEL, case=case, output="nodule", checks=False)
    assert other.localisation is None
