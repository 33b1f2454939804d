"""Causes, slices and mitigation reach the evidence of both forms of audit, and stay on site."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.reporting import restrict
from audits.running import causes as running_causes
from audits.running import run_predictions_audit, run_study_audit

ROOT = Path(__file__).parents[4]
ICU = ROOT / "sample_data" / "icu_deterioration"
SECTIONS = ("causes", "slices", "mitigation")


def table(n=900, seed=0):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    y = rng.random(n) < 0.4
    return pd.DataFrame(
        {
            "patient": rng.integers(0, n // 2, n),
            "sex": sex,
            "age": rng.integers(18, 90, n),
            "lactate": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 1, n)),
            "cost": rng.gamma(2, 100, n),
            "died": y.astype(int),
            "risk": 1 / (1 + np.exp(-(1.5 * y - 1 + 0.4 * (sex == "F") + rng.normal(size=n)))),
        }
    )


ASKED = {
    "label": "died",
    "score": "risk",
    "groups": ["sex", "age:40,65"],
    "patient": "patient",
    "threshold": 0.5,
}


def test_a_table_is_explained_when_asked():
    plain = audit_predictions(table(), **ASKED).to_dict()["outputs"][0]
    asked = audit_predictions(table(), **ASKED, why=True).to_dict()["outputs"][0]
    for name in SECTIONS:
        assert plain[name]["state"] == "not_available"
        assert asked[name]["state"] == "computed"
    assert plain["comparisons"] == asked["comparisons"]
    json.dumps(asked, allow_nan=False)


def test_what_the_policy_declares_is_used():
    policy = {
        "causes": {
            "second_label": {"died": "cost"},
            "slice_columns": ["lactate", "absent"],
            "population": {"sex": {"F": 0.5, "M": 0.5}},
        }
    }
    found = audit_predictions(table(), **ASKED, why=True, policy=policy).to_dict()["outputs"][0]
    assert found["causes"]["label_choice"]["second_label"] == "cost"
    assert found["causes"]["representativeness"]["state"] == "computed"
    assert found["slices"]["variables"] == 3
    largest = found["causes"]["missingness"]["variables"][0]["largest"]
    assert [one["variable"] for one in largest] == ["lactate"]


def test_a_second_label_that_is_not_there_says_so():
    policy = {"causes": {"second_label": {"died": "wealth"}}}
    found = audit_predictions(table(), **ASKED, why=True, policy=policy).to_dict()["outputs"][0]
    section = found["causes"]["label_choice"]
    assert section["state"] == "not_available"
    assert "wealth" in section["reason"]


def test_large_runs_are_explained_only_when_asked(monkeypatch):
    monkeypatch.setattr(running_causes, "MAX_ROWS", 100)
    found = audit_predictions(table(), **ASKED, why=None).to_dict()["outputs"][0]
    assert "--why" in found["causes"]["reason"]


def test_the_command_explains_by_default_and_a_restricted_release_keeps_it_on_site(tmp_path):
    path = tmp_path / "scores.csv"
    table(300).to_csv(path, index=False)
    run = run_predictions_audit(
        path,
        tmp_path / "run",
        labels=["died"],
        scores=["risk"],
        groups=["sex"],
        thresholds=[0.5],
        policy={"suppression": {"release": "restricted"}},
        store=tmp_path / "store",
    )
    (output,) = run.evidence["outputs"]
    exact = json.loads((tmp_path / "run" / "internal" / "exact.json").read_text())["outputs"][0]
    for name in SECTIONS:
        assert exact[name]["state"] == "computed"
        assert set(output[name]) == {"state", "reason", "suppressed"}
        assert output[name]["state"] == "not_available"


def test_restricting_drops_every_number_of_the_sections():
    evidence = audit_predictions(table(120), **ASKED, why=True).to_dict()
    (output,) = restrict(evidence)["outputs"]
    for name in SECTIONS:
        assert not any(
            isinstance(value, (int, float, list)) and not isinstance(value, bool)
            for value in output[name].values()
        )


@pytest.mark.slow
def test_the_sample_study_shows_what_was_planted(tmp_path):
    run = run_study_audit(
        ICU,
        [ICU / "models" / "mlp-1.0"],
        out=tmp_path / "run",
        policy=ICU / "policy.toml",
        explain_cases=0,
        store=tmp_path / "store",
    )
    (output,) = run.evidence["outputs"]
    causes = output["causes"]
    (gap,) = [
        one
        for one in causes["standardised_gaps"]["gaps"]
        if one["metric"] == "tpr" and one["group"] == {"race": "Black"}
    ]
    # The planted label bias is the model's, not the case mix.
    assert gap["standardised"]["high"] < -0.2
    assert abs(gap["composition"]["value"]) < 0.05
    (odds,) = [
        one
        for one in causes["independence"]["odds_at_equal_score"]
        if one["group"] == {"race": "Black"}
    ]
    assert odds["odds_ratio"]["low"] > 2
    under = [
        one
        for one in output["slices"]["slices"]
        if one["metric"] == "underestimated" and one["flagged"]
    ]
    # The planted proxy is found although nobody declared it as a group.
    assert any("deprivation_index" in text for one in under for text in one["conditions"])
    (race,) = [one for one in output["mitigation"]["attributes"] if one["attribute"] == "race"]
    (fair,) = [one for one in race["methods"] if one["method"] == "recalibration_logistic"]
    (black,) = [one for one in fair["groups"] if one["attributes"] == {"race": "Black"}]
    assert black["metrics"]["tpr"]["change"]["low"] > 0.1
