"""The sample intensive care study through the public door: real folders, real formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.cohorts import open_study
from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, explain_case, explain_cohort_sample
from model_adapters import load_adapter

SAMPLE = Path(__file__).parents[4] / "sample_data" / "icu_deterioration"

pytestmark = pytest.mark.skipif(
    not (SAMPLE / "study.toml").is_file(), reason="the sample study is not in this checkout"
)


@pytest.fixture(scope="module")
def study():
    return open_study(SAMPLE)


@pytest.fixture(scope="module")
def trees():
    return load_adapter(SAMPLE / "models" / "xgboost-1.0")


def test_two_estimators_of_one_estimand_agree(study, trees):
    case = study.case_ids[7]
    exact = explain_adapter_case(study, trees, case)
    sampled = explain_adapter_case(study, trees, case, method="shapley")
    assert exact.method == "tree_interventional"
    assert exact.background == sampled.background
    assert exact.base_value == pytest.approx(sampled.base_value)
    for one, other in zip(exact.players, sampled.players, strict=True):
        assert one.se == 0.0
        assert other.effect == pytest.approx(one.effect, abs=max(6 * other.se, 1e-4))


def test_path_dependent_effects_are_another_estimand_and_say_so(study, trees):
    case = study.case_ids[7]
    path = explain_adapter_case(study, trees, case, method="tree_path")
    assert path.background is None
    assert "Not to be compared" in path.estimand
    assert path.additivity_residual < 1e-4
    exact = explain_adapter_case(study, trees, case)
    assert [p.effect for p in path.players] != [p.effect for p in exact.players]


@pytest.mark.parametrize("model", ["mlp-1.0", "mlp-2.0", "xgboost-1.0"])
def test_every_sample_model_explains_a_sample(study, model):
    adapter = load_adapter(SAMPLE / "models" / model)
    cases = study.case_ids[:6]
    explanations, summary = explain_cohort_sample(study, adapter, cases, check_cases=6)
    assert len(explanations) == 6 * len(adapter.output.names)
    assert {check["verdict"] for check in summary["checks"]} == {"reflects"}
    labels = {feature.name: feature.label for feature in study.variables}
    for player in explanations[0].players:
        assert player.label == labels[player.name]


def test_folders_are_enough():
    study = open_study(SAMPLE)
    why = explain_case(
        study=SAMPLE, model=SAMPLE / "models" / "mlp-1.0", case=study.case_ids[0], device="cpu"
    )
    assert why.to_dict()["additivity_residual"] < 1e-4
    with pytest.raises(ExplanationError, match="audited cases"):
        explain_case(study=SAMPLE, model=SAMPLE / "models" / "mlp-1.0", case="nobody")
