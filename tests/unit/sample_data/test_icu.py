"""The sample study of intensive care is what its ``truth.json`` says, from cases to scores."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from audits.cohorts import open_study
from model_adapters import load_adapter, read_manifest
from sample_data.generate.icu.cohort import generate_cohort
from sample_data.generate.icu.models import ALERT_SHARE, RECIPES, declare_input, encode
from sample_data.generate.icu.scoring import open_scorer
from sample_data.generate.icu.truth import measure_truth

FOLDER = Path(__file__).parents[3] / "sample_data" / "icu_deterioration"
MODELS = [FOLDER / "models" / recipe.folder for recipe in RECIPES]
REGENERATE = "run python -m sample_data.generate.icu"


@pytest.fixture(scope="module")
def cases():
    return pd.read_parquet(FOLDER / "cases.parquet")


@pytest.fixture(scope="module")
def study():
    return open_study(FOLDER)


@pytest.fixture(scope="module")
def truth():
    return json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))


def planted(truth, name):
    return next(one for one in truth["planted"] if one["id"] == name)


def test_the_seed_gives_the_shipped_cohort(cases):
    pd.testing.assert_frame_equal(generate_cohort(), cases, check_exact=True)


def test_another_seed_gives_another_cohort():
    sizes = {"train": 20, "test": 20}
    one, two = generate_cohort(1, sizes), generate_cohort(2, sizes)
    assert not one["age"].head(20).equals(two["age"].head(20))


def test_size_of_the_cohort(cases):
    audited = cases[cases["split"] == "test"]
    assert audited["patient_id"].nunique() == 6000
    assert 7800 <= len(audited) <= 8200
    assert 0.15 <= audited["deterioration"].mean() <= 0.20
    assert cases["case_id"].is_unique
    assert not cases.drop_duplicates(["patient_id", "split"])["patient_id"].duplicated().any()
    assert (cases["recorded_deterioration"] <= cases["deterioration"]).all()


def test_need_is_equal_between_races(cases):
    table = pd.crosstab(cases["race"], cases["deterioration"])
    assert chi2_contingency(table).pvalue > 0.01


def test_missing_values_tell_something(cases):
    measured = cases["lactate"].notna()
    assert cases.loc[measured, "deterioration"].mean() > 1.5 * (
        cases.loc[~measured, "deterioration"].mean()
    )
    assert pd.crosstab(measured, cases["race"] == "Black", normalize="columns").diff(
        axis=1
    ).abs().to_numpy()[:, 1] == pytest.approx(0, abs=0.02)


def test_the_folder_stays_small():
    sizes = {path: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 8e6
    assert sum(size for path, size in sizes.items() if "models" in path.parts) < 1.5e6


def test_variables_are_described(study):
    head = (FOLDER / "variables.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "name,label,unit,low,high,code,protected,actionable,description"
    by_name = {variable.name: variable for variable in study.variables}
    assert by_name["lactate"].unit == "mmol/L"
    assert by_name["lactate"].normal == (0.5, 2.2)
    assert by_name["lactate"].code == "LOINC:2524-7"
    assert {name for name, v in by_name.items() if v.protected} == {"age", "sex"}
    assert by_name["unit"].levels == ("Cardiac", "Medical", "Neuro", "Surgical")


@pytest.mark.parametrize("folder", MODELS, ids=lambda f: f.name)
def test_hashes_and_thresholds(folder, study):
    manifest = read_manifest(folder)
    weights = (folder / manifest.weights.file).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == manifest.weights.sha256
    tune = study.in_split("tune")
    assert manifest.output.thresholds_chosen_on == tune.sha256, REGENERATE
    above = open_scorer(folder).alerts(tune.cases)
    assert above.mean() == pytest.approx(ALERT_SHARE, abs=0.002)


@pytest.mark.parametrize("folder", MODELS, ids=lambda f: f.name)
def test_training_and_run_time_encode_alike(folder, study, cases):
    recipe = next(recipe for recipe in RECIPES if recipe.folder == folder.name)
    spec = declare_input(recipe, cases[cases["split"] == "train"])
    adapter = load_adapter(folder, device="cpu")
    raw, usable, skipped = study.raw_batch(adapter.inputs, study.case_ids[:500])
    assert len(usable) == 500
    assert not skipped
    given = np.asarray(adapter.prepare(raw)["ehr"])
    np.testing.assert_allclose(given, encode(spec, study.cases.head(500)), rtol=1e-6, atol=1e-6)
    scores = adapter.predict(adapter.prepare(raw))[:, 0]
    np.testing.assert_array_equal(scores, open_scorer(folder).logits(study.cases.head(500)))


def test_the_truth_is_measured(study, truth):
    scorers = [open_scorer(folder) for folder in MODELS]
    again = measure_truth(study.cases, scorers, truth["seed"])
    cases = hashlib.sha256((FOLDER / "cases.parquet").read_bytes()).hexdigest()
    again = {"seed": truth["seed"], "cases_sha256": cases, **again}
    assert_alike(again, truth, "truth")


def assert_alike(found, stated, where):
    """Compare plain data; counts may differ by the one case whose score ties with a threshold."""
    if isinstance(stated, dict):
        assert list(found) == list(stated), where
        for key, value in stated.items():
            assert_alike(found[key], value, f"{where}.{key}")
    elif isinstance(stated, float):
        assert found == pytest.approx(stated, rel=2e-3, abs=2e-3), where
    elif isinstance(stated, int) and where.endswith(".k"):
        assert abs(found - stated) <= 1, where
    elif isinstance(stated, list):
        for at, (one, other) in enumerate(zip(found, stated, strict=True)):
            assert_alike(one, other, f"{where}[{at}]")
    else:
        assert found == stated, where


def test_the_label_bias_is_as_large_as_promised(truth):
    fault = planted(truth, "label_access")
    for key in fault["planted_in"]:
        measured = fault["measured"][key]
        assert measured["adjudicated"]["group"]["n"] >= 120
        assert measured["adjudicated"]["difference"] <= -0.25
        assert abs(measured["recorded"]["difference"]) < abs(measured["adjudicated"]["difference"])
    for key in fault["mitigated_in"]:
        assert abs(fault["measured"][key]["adjudicated"]["difference"]) < 0.05


def test_the_proxy_carries_the_gap(truth):
    fault = planted(truth, "proxy")
    assert fault["association"]["auroc"] > 0.9
    for measured in fault["measured"].values():
        assert measured["share_of_tpr_gap"] > 0.8
        assert measured["effect_rank"] <= 5
    for folder, recipe in zip(MODELS, RECIPES, strict=True):
        takes = fault["variable"] in open_scorer(folder).features
        assert takes == (recipe.key in fault["planted_in"])
        assert "race" not in recipe.features


def test_the_fine_group_is_large_enough_and_fine(truth):
    margin = tomllib.loads((FOLDER / "policy.toml").read_text(encoding="utf-8"))["margin"]
    for measured in planted(truth, "fine")["measured"].values():
        group, reference = measured["group"], measured["reference"]
        assert min(group["positives"], reference["positives"]) >= 400
        for rate in ("tpr", "fpr"):
            assert abs(group[rate]["value"] - reference[rate]["value"]) < margin[rate] / 3
        assert abs(group["auroc"] - reference["auroc"]) < margin["auroc"] / 3


def test_the_new_version_is_worse_in_one_place(truth):
    measured = planted(truth, "regression")["measured"]
    base, candidate = measured["base"], measured["candidate"]
    assert candidate["group"]["auroc"] < base["group"]["auroc"] - 0.03
    assert candidate["rest"]["auroc"] > base["rest"]["auroc"]


def test_the_documented_numbers_are_the_measured_ones(truth):
    text = (FOLDER.parents[1] / "docs" / "sample-data.md").read_text(encoding="utf-8")
    page = " ".join(text.split("## icu_deterioration")[1].split("\n## ")[0].split())
    for key, measured in planted(truth, "label_access")["measured"].items():
        true, recorded = measured["adjudicated"], measured["recorded"]
        row = [true["group"]["value"], true["reference"]["value"]]
        gaps = [f"{gap['difference']:+.3f}".replace("-", "−") for gap in (true, recorded)]
        cells = " | ".join([*(f"{rate:.3f}" for rate in row), *gaps])
        assert f"`{key.split('@')[0]}` {key.split('@')[1]} | {cells} |" in page
    for measured in planted(truth, "proxy")["measured"].values():
        assert f"{measured['share_of_tpr_gap']:.0%}".replace("%", " %") in page
    pair = planted(truth, "regression")["measured"]
    shown = [f"{pair[role]['group']['auroc']:.3f}" for role in ("candidate", "base")]
    assert f"AUROC {shown[0]} after {shown[1]}" in page
    assert f"{truth['cases']:,} stays of 6,000 patients, {truth['positives']:,} of which" in page
