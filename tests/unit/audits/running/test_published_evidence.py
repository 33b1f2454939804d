"""Published numbers, from file to ``evidence.json`` through the public function."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from audits import audit_predictions

DATA = Path(__file__).parents[5] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real data not here: ../shared/data")


def group(output, **attributes):
    (found,) = [g for g in output["groups"] if g["attributes"] == attributes]
    return found


@pytest.mark.parametrize("seed", [45, 62, 76])
def test_fifteen_areas_of_each_seed(seed):
    folder = DATA / "nih-underdiagnosis"
    path = folder / f"predictions_seed{seed}.parquet"
    published = pd.read_csv(folder / f"published_auc_seed{seed}.csv")
    names = [name.replace(" ", "_") for name in published["label"]]
    assert len(names) == 15
    evidence = audit_predictions(
        path,
        label=[f"label_{n}" for n in names],
        score=[f"prob_{n}" for n in names],
        patient="patient_id",
    ).to_dict()
    areas = [o["overall"]["metrics"]["auroc"]["value"] for o in evidence["outputs"]]
    assert areas == pytest.approx(list(published["auc"]), abs=1e-9)
    assert evidence["study"]["cases"] == 6373


def test_fourteen_areas_and_those_by_view_and_sex():
    folder = DATA / "nih-chexnet"
    published = pd.read_csv(folder / "published_aucs.csv")
    names = list(published["label"])
    assert len(names) == 14
    evidence = audit_predictions(
        folder / "predictions.parquet",
        label=[f"label_{n}" for n in names],
        score=[f"prob_{n}" for n in names],
        groups=["view", "sex"],
        patient="patient_id",
        threshold=0.5,
    ).to_dict()
    outputs = dict(zip(names, evidence["outputs"], strict=True))
    areas = [o["overall"]["metrics"]["auroc"]["value"] for o in outputs.values()]
    assert areas == pytest.approx(list(published["auc"]), abs=1e-9)
    for name, wanted in {
        "Effusion": {"view": {"AP": 0.8305, "PA": 0.9108}},
        "Cardiomegaly": {"view": {"AP": 0.8516, "PA": 0.9403}},
        "Hernia": {"sex": {"F": 0.9502, "M": 0.8226}},
        "Pneumothorax": {"sex": {"F": 0.8778, "M": 0.8757}},
    }.items():
        for attribute, levels in wanted.items():
            for level, area in levels.items():
                found = group(outputs[name], **{attribute: level})["metrics"]["auroc"]["value"]
                assert round(found, 4) == area


def test_readmissions_by_race():
    folder = DATA / "diabetes-admissions"
    table = pd.read_parquet(folder / "predictions.parquet")
    events = pd.read_parquet(folder / "events.parquet")
    table["readmitted"] = table["encounter_id"].isin(events["encounter_id"]).astype(int)
    evidence = audit_predictions(
        table,
        label="readmitted",
        score="LGBM_score",
        groups=["race", "age"],
        patient="patient_nbr",
        threshold=0.2,
    ).to_dict()
    assert evidence["study"]["patients"] == 69_987
    (output,) = evidence["outputs"]
    assert round(output["overall"]["metrics"]["auroc"]["value"], 4) == 0.7618
    for race, area, n in (
        ("AfricanAmerican", 0.7551, 18_772),
        ("Asian", 0.8036, 628),
        ("Caucasian", 0.7597, 74_220),
        ("Hispanic", 0.8042, 2_017),
        ("Other", 0.7889, 1_471),
        ("Unknown", 0.8150, 2_232),
    ):
        found = group(output, race=race)
        assert found["n"] == n
        assert round(found["metrics"]["auroc"]["value"], 4) == area
    assert sum("age" in g["attributes"] for g in output["groups"]) == table["age"].nunique()
