"""Numbers that others published about real patients, out of our audit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from audits.cli.commands import auscult
from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the published data sets are not beside this checkout"
)


def attribute(name, values):
    levels, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(levels.tolist()),
        codes=codes.reshape(-1).astype(np.int32),
    )


def group_of(result, **attributes):
    (found,) = [group for group in result.groups if dict(group.attributes) == attributes]
    return found


@pytest.mark.parametrize("seed", [45, 62, 76])
def test_nih_underdiagnosis(seed):
    folder = DATA / "nih-underdiagnosis"
    table = pd.read_parquet(folder / f"predictions_seed{seed}.parquet")
    published = pd.read_csv(folder / f"published_auc_seed{seed}.csv").set_index("label")
    thresholds = pd.read_csv(folder / f"thresholds_seed{seed}.csv").set_index("label")["bestthr"]
    sex = attribute("sex", table["sex"])
    names = [column.removeprefix("label_") for column in table if column.startswith("label_")]
    assert len(names) == 15
    outputs = [
        ScoredOutput(
            name=name,
            y=table[f"label_{name}"].to_numpy(),
            score=table[f"prob_{name}"].to_numpy(dtype=np.float64),
            threshold=float(thresholds.get(name, thresholds.get(name.replace("_", " ")))),
            patients=table["patient_id"].to_numpy(),
            attributes=(sex,),
        )
        for name in names
    ]
    results = audit_fairness(outputs, load_policy(None, groups=["sex"])).outputs
    for result in results:
        known = published.index.intersection([result.name, result.name.replace("_", " ")])[0]
        assert result.overall.metrics["auroc"].value == pytest.approx(
            published.loc[known, "auc"], abs=1e-9
        )
    (no_finding,) = [result for result in results if result.name == "No_Finding"]
    row = pd.read_csv(folder / "published_no_finding_by_sex.csv").set_index("seed").loc[seed]
    for level in ("F", "M"):
        group = group_of(no_finding, sex=level)
        fpr, fnr = group.metrics["fpr"], group.metrics["fnr"]
        assert fpr.n == row[f"#NNF_{level}"]
        assert fnr.n == row[f"#PNF_{level}"]
        assert round(fpr.value, 3) == row[f"FPR_{level}"]
        assert round(fnr.value, 3) == row[f"FNR_{level}"]


def test_nih_chexnet():
    folder = DATA / "nih-chexnet"
    table = pd.read_parquet(folder / "predictions.parquet")
    published = pd.read_csv(folder / "published_aucs.csv").set_index("label")["auc"]
    attributes = (attribute("sex", table["sex"]), attribute("view", table["view"]))
    outputs = [
        ScoredOutput(
            name=name,
            y=table[f"label_{name}"].to_numpy(),
            score=table[f"prob_{name}"].to_numpy(dtype=np.float64),
            threshold=0.5,
            patients=table["patient_id"].to_numpy(),
            attributes=attributes,
        )
        for name in published.index
    ]
    policy = load_policy(None, groups=["sex", "view"])
    results = {item.name: item for item in audit_fairness(outputs, policy).outputs}
    assert len(results) == 14
    for name, result in results.items():
        assert result.overall.patients == 6187
        assert result.overall.metrics["auroc"].value == pytest.approx(published[name], abs=1e-9)
    expected = {
        ("Effusion", "view"): {"AP": 0.8305, "PA": 0.9108},
        ("Cardiomegaly", "view"): {"AP": 0.8516, "PA": 0.9403},
        ("Hernia", "sex"): {"F": 0.9502, "M": 0.8226},
        ("Pneumothorax", "sex"): {"F": 0.8778, "M": 0.8757},
    }
    for (name, by), values in expected.items():
        for level, value in values.items():
            area = group_of(results[name], **{by: level}).metrics["auroc"].value
            assert round(area, 4) == value
    views = [c for c in results["Effusion"].comparisons if c.attribute == "view"]
    (auroc,) = [c for c in views if c.metric == "auroc"]
    assert (auroc.verdict, auroc.strength, auroc.worse) == ("disparity", "confirmed", "group")
    hernia = [c for c in results["Hernia"].comparisons if c.metric == "auroc"]
    assert {c.verdict for c in hernia} == {"not_evaluable"}


def test_diabetes_admissions():
    folder = DATA / "diabetes-admissions"
    table = pd.read_parquet(folder / "predictions.parquet")
    events = pd.read_parquet(folder / "events.parquet")
    y = table["encounter_id"].isin(events["encounter_id"]).to_numpy().astype(np.int8)
    race = table["race"].astype("object").where(table["race"].notna(), "Unknown")
    output = ScoredOutput(
        name="readmission",
        y=y,
        score=table["LGBM_score"].to_numpy(dtype=np.float64),
        threshold=0.2,
        patients=table["patient_nbr"].to_numpy(),
        attributes=(attribute("race", race),),
    )
    result = audit_fairness([output], load_policy(None, groups=["race"])).outputs[0]
    assert result.overall.patients == 69_987
    assert round(result.overall.metrics["auroc"].value, 4) == 0.7618
    assert round(result.overall.metrics["prevalence"].value, 4) == 0.1139
    published = {
        "AfricanAmerican": (0.7551, 18_772),
        "Asian": (0.8036, 628),
        "Caucasian": (0.7597, 74_220),
        "Hispanic": (0.8042, 2_017),
        "Other": (0.7889, 1_471),
        "Unknown": (0.8150, 2_232),
    }
    for level, (area, n) in published.items():
        group = group_of(result, race=level)
        assert group.n == n
        assert round(group.metrics["auroc"].value, 4) == area


def test_the_full_command_prints_the_published_numbers(tmp_path):
    """`auscult audit --predictions` on the table as it was published, into evidence.json."""
    folder = DATA / "nih-underdiagnosis"
    threshold = pd.read_csv(folder / "thresholds_seed45.csv").set_index("label")["bestthr"]
    out = tmp_path / "run"
    command = ["audit", "--predictions", str(folder / "predictions_seed45.parquet")]
    command += ["--label", "label_No_Finding", "--score", "prob_No_Finding"]
    command += ["--patient", "patient_id", "--group", "sex", "--no-why"]
    command += ["--threshold", repr(float(threshold.filter(regex="No.Finding").iloc[0]))]
    command += ["--store", str(tmp_path / "store"), "--out", str(out)]
    done = CliRunner().invoke(auscult, command)
    assert done.exit_code == 0, done.output
    (output,) = json.loads((out / "evidence.json").read_text(encoding="utf-8"))["outputs"]
    published = pd.read_csv(folder / "published_auc_seed45.csv").set_index("label")["auc"]
    auroc = output["overall"]["metrics"]["auroc"]["value"]
    assert auroc == pytest.approx(published.filter(regex="No.Finding").iloc[0], abs=1e-12)
    row = pd.read_csv(folder / "published_no_finding_by_sex.csv").set_index("seed").loc[45]
    for group in output["groups"]:
        level, metrics = group["attributes"]["sex"], group["metrics"]
        for name in ("fpr", "fnr"):
            assert round(metrics[name]["value"], 3) == row[f"{name.upper()}_{level}"]
