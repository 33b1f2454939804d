"""Times, weights and stays that a study declares reach the run as those of a table do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits import audit_predictions
from audits.errors import PackageError
from audits.running import run_study_audit

from .conftest import follow_up, hourly

SURVIVAL = """
[labels.died]
column = "died"
task = "survival"
time = "days"
horizon = 365
unit = "d"
"""
STAYS = """
[labels.y]
column = "y"
[stays]
stay = "stay"
at = "hour"
event = "event_hour"
window = 12
silence = 6
"""


def evidence(folders, tmp_path, frame, **asked):
    study, model = folders(frame, **asked)
    run = run_study_audit(
        study, [model], out=tmp_path / "run", store=tmp_path / "store", explain_cases=0
    )
    json.dumps(run.evidence, allow_nan=False)
    return run.evidence


def test_a_survival_model_is_audited_at_the_horizon_of_its_label(folders, tmp_path):
    frame = follow_up().assign(alive=lambda f: 1 - f["risk"])
    asked = {"output": "died", "task": "survival", "sections": SURVIVAL}
    found = evidence(folders, tmp_path, frame, score="alive", space="survival", **asked)
    (output,) = found["outputs"]
    table = audit_predictions(
        frame,
        task="survival",
        time="days",
        event="died",
        score="risk",
        horizon=365,
        patient="pid",
        groups=["sex"],
    ).to_dict()["outputs"][0]
    assert output["horizon"] == {"value": 365, "unit": "d"}
    for metric in ("c_uno", "auc_t", "brier_t", "oe_t"):
        ours, theirs = (o["overall"]["metrics"][metric] for o in (output, table))
        assert ours["value"] == pytest.approx(theirs["value"], abs=1e-12)
        assert ours["low"] < ours["value"] < ours["high"]
    assert {c["metric"] for c in output["comparisons"] if c["verdict"]} == {"auc_t", "oe_t"}


def test_weights_of_a_study_are_used(folders, tmp_path):
    frame = follow_up()
    asked = {"output": "died", "task": "binary", "score": "risk", "space": "probability"}
    found = evidence(
        folders,
        tmp_path,
        frame,
        sections='[labels.died]\ncolumn = "died"',
        cases='weight = "weight"',
        **asked,
    )
    prevalence = found["outputs"][0]["overall"]["metrics"]["prevalence"]
    assert prevalence["value"] == pytest.approx(np.average(frame["died"], weights=frame["weight"]))
    assert any(f["where"] == "weights" for f in found["findings"])


def test_stays_of_a_study_are_a_section_of_its_output(folders, tmp_path):
    frame = hourly()
    asked = {"output": "y", "task": "binary", "score": "p", "space": "probability"}
    found = evidence(folders, tmp_path, frame, sections=STAYS, **asked)
    stays = found["outputs"][0]["stays"]
    assert stays["state"] == "computed"
    assert [g["attributes"] for g in stays["groups"]] == [{"sex": "F"}, {"sex": "M"}]
    events = int(frame.groupby("stay")["event_hour"].first().notna().sum())
    assert stays["overall"]["events"] == events


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ('[labels.died]\ncolumn = "died"\ntask = "survival"', "names its time column"),
        ('[labels.died]\ncolumn = "died"\nhorizon = 3', "belongs to a survival label"),
        (SURVIVAL.replace('"days"', '"dys"'), "dys"),
        (STAYS.replace("window = 12", "window = 0"), "stays.window"),
    ],
)
def test_a_study_that_cannot_be_meant_is_one_sentence(folders, tmp_path, sections, words):
    study, model = folders(
        follow_up(60),
        sections=sections,
        score="risk",
        output="died",
        task="survival",
        space="probability",
    )
    with pytest.raises(PackageError, match=words):
        run_study_audit(study, [model], out=tmp_path / "run", store=tmp_path / "store")


def test_versions_of_a_survival_model_are_compared_from_a_run_as_from_its_model(folders, tmp_path):
    frame = follow_up().assign(alive=lambda f: 1 - f["risk"])
    asked = {"output": "died", "task": "survival", "sections": SURVIVAL, "space": "survival"}
    study, model = folders(frame, score="alive", **asked)
    model.rename(tmp_path / "base")
    rng = np.random.default_rng(3)
    other = np.clip(frame["alive"] + 0.2 * rng.normal(size=len(frame)), 0, 1)
    study.rename(tmp_path / "kept")
    _, candidate = folders(frame.assign(alive=other), score="alive", **asked)
    (tmp_path / "study").rename(tmp_path / "other")
    (tmp_path / "kept").rename(tmp_path / "study")
    manifest = candidate / "model.toml"
    text = manifest.read_text(encoding="utf-8").replace('version = "1"', 'version = "2"')
    manifest.write_text(text, encoding="utf-8")
    shared = {"store": tmp_path / "store", "explain_cases": 0, "why": False}
    first = run_study_audit(study, [tmp_path / "base"], out=tmp_path / "first", **shared)
    found = [
        run_study_audit(study, models, out=tmp_path / name, compare=True, base_run=base, **shared)
        for name, models, base in (
            ("a", [tmp_path / "base", candidate], None),
            ("b", [candidate], first.path),
        )
    ]
    ours, theirs = (run.evidence["comparison"]["outputs"][0] for run in found)
    assert ours["groups"] == theirs["groups"]
    auc = ours["groups"][0]["metrics"]["auc_t"]
    assert auc["delta"]["value"] == pytest.approx(
        auc["candidate"]["value"] - auc["base"]["value"], abs=1e-12
    )
    assert auc["verdict"] in {"worse", "inconclusive"}
