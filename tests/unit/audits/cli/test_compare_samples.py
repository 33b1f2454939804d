"""The sample models: 2.0 is better where a fault was repaired and worse where one was planted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audits.cli.failures import run_guarded
from audits.storage import open_run, verify_run

# One comparison of networks serves all of them: in two workers it would be made twice.
pytestmark = pytest.mark.xdist_group("compare_samples")

ICU = Path(__file__).parents[4] / "sample_data" / "icu_deterioration"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Compare mlp 2.0 with 1.0; xgboost stands in for the base trained again."""
    folder = tmp_path_factory.mktemp("samples")
    models = ICU / "models"
    command = ["compare", "--study", ICU, "--base", models / "mlp-1.0"]
    command += ["--candidate", models / "mlp-2.0", "--policy", ICU / "policy.toml"]
    command += ["--reseeded", models / "xgboost-1.0", "--explain-cases", "6", "--check-cases", "0"]
    command += ["--out", folder / "run", "--store", folder / "store"]
    assert run_guarded([str(word) for word in command]) == 0
    return open_run(folder / "run")


def verdict(run, metric: str, attributes: dict[str, str]) -> str:
    (output,) = run.evidence["comparison"]["outputs"]
    (group,) = [one for one in output["groups"] if one["attributes"] == attributes]
    return group["metrics"][metric]["verdict"]


def test_the_repaired_group_is_better_and_the_planted_regression_worse(compared):
    assert verdict(compared, "tpr", {"race": "Black"}) == "better"
    assert verdict(compared, "auroc", {"unit": "Neuro"}) == "worse"
    assert verdict(compared, "auroc", {"sex": "F"}) == "equivalent"
    assert verdict(compared, "tpr", {"sex": "M"}) == "equivalent"


def test_estimates_are_those_of_the_audit_in_the_same_run(compared):
    outputs = {output["model"]: output for output in compared.evidence["outputs"]}
    (found,) = compared.evidence["comparison"]["outputs"]
    for entry in found["groups"]:
        for side, key in (("base", "icu-mlp@1.0"), ("candidate", "icu-mlp@2.0")):
            known = outputs[key]
            audited = next(
                group
                for group in (known["overall"], *known["groups"])
                if group["attributes"] == entry["attributes"]
            )
            for metric, values in entry["metrics"].items():
                assert values[side] == audited["metrics"][metric]
        for values in entry["metrics"].values():
            if values["delta"]["value"] is not None:
                apart = values["candidate"]["value"] - values["base"]["value"]
                assert values["delta"]["value"] == pytest.approx(apart, abs=1e-6)


def test_reasons_drift_beyond_a_re_run(compared):
    drift = compared.evidence["comparison"]["explanation_drift"]
    (found,) = drift["outputs"]
    assert found["name"] == "deterioration"
    assert found["noise"]["rerun"]["value"] < found["distance"]["value"]
    assert found["noise"]["reseeded"]["n"] == drift["cases"]
    assert found["against"] == "reseeded"
    assert drift["methods"] == {"base": ["shapley"], "candidate": ["shapley"]}
    cases = set(compared.cases["case_id"])
    assert {one["case"] for one in found["moved_most"]} <= cases
    json.dumps(drift, allow_nan=False)
    assert verify_run(compared.path).intact
