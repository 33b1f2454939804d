"""Causes against published numbers about real patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput
from audits.fairness.causes import Context, explain_gaps
from audits.fairness.causes.label_choice import concentration
from audits.fairness.causes.rows import build_rows
from audits.policy import load_policy

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the published data sets are not beside this checkout"
)


def grouping(name, values):
    levels, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(levels.tolist()),
        codes=codes.reshape(-1).astype(np.int32),
    )


@pytest.fixture(scope="module")
def obermeyer():
    table = pd.read_csv(DATA / "dissecting-bias" / "model_lasso_predictors.csv")
    race = np.where(table["dem_race_black"] == 1, "Black", "White")
    costly = table["cost_t"] >= table["cost_t"].quantile(0.9)
    output = ScoredOutput(
        name="high_cost",
        y=costly.to_numpy(dtype=np.int8),
        score=table["risk_score_t"].to_numpy(dtype=np.float64),
        space="value",
        attributes=(grouping("race", race),),
    )
    return table, output


def test_black_patients_at_the_top_are_sicker(obermeyer):
    """Obermeyer et al. 2019, on the authors' release: 6.24 against 4.95 illnesses."""
    table, output = obermeyer
    need = table["gagne_sum_t"].to_numpy(dtype=np.float64)
    policy = load_policy(None, groups=["race"])
    panel = explain_gaps(output, policy, context=Context(second_label=("gagne_sum_t", need)))
    curves = {
        entry["attributes"]["race"]: entry["mean"]
        for entry in panel["label_choice"]["by_percentile"]
        if entry["percentile"] == [97, 100]
    }
    assert round(curves["Black"]["value"], 2) == 6.24
    assert round(curves["White"]["value"], 2) == 4.95
    (gap,) = panel["label_choice"]["gaps"]
    assert gap["at_top"]["low"] > 0
    assert gap["at_equal_score"]["low"] > 0


@pytest.mark.parametrize(
    ("column", "row"),
    [
        ("log_cost_t_hat", "Total costs"),
        ("log_cost_avoidable_t_hat", "Avoidable costs"),
        ("gagne_sum_t_hat", "Active chronic conditions"),
    ],
)
def test_who_fills_the_top_depends_on_the_label(obermeyer, column, row):
    """Table 2: the share of Black patients in the top 3 %, by what the score was trained on."""
    table, output = obermeyer
    published = pd.read_csv(DATA / "dissecting-bias" / "table2_concentration_metric.csv")
    wanted = published.set_index("predictor").loc[row, "Race black"]
    rows = build_rows(output, load_policy(None, groups=["race"]))
    black = table["dem_race_black"].to_numpy() == 1
    found = concentration(rows, table[column].to_numpy(dtype=np.float64), black)
    assert found.value == pytest.approx(wanted, abs=5e-4)
    assert found.low < wanted < found.high


@pytest.mark.parametrize("seed", [45, 62, 76])
def test_underdiagnosis_by_sex(seed):
    """Seyyed-Kalantari et al. 2021: underdiagnosis is the FPR of “No Finding”."""
    folder = DATA / "nih-underdiagnosis"
    table = pd.read_parquet(folder / f"predictions_seed{seed}.parquet")
    thresholds = pd.read_csv(folder / f"thresholds_seed{seed}.csv").set_index("label")["bestthr"]
    published = pd.read_csv(folder / "published_no_finding_by_sex.csv").set_index("seed").loc[seed]
    threshold = thresholds.get("No Finding", thresholds.get("No_Finding"))
    output = ScoredOutput(
        name="No_Finding",
        y=table["label_No_Finding"].to_numpy(),
        score=table["prob_No_Finding"].to_numpy(dtype=np.float64),
        threshold=float(threshold),
        patients=table["patient_id"].to_numpy(),
        attributes=(grouping("sex", table["sex"]),),
    )
    sheet = explain_gaps(output, load_policy(None, groups=["sex"]))["underdiagnosis"]
    assert sheet["missed_metric"] == "fpr"
    for entry in sheet["groups"]:
        level = entry["attributes"]["sex"]
        assert round(entry["missed"]["value"], 3) == published[f"FPR_{level}"]
        assert round(entry["overcalled"]["value"], 3) == published[f"FNR_{level}"]
        matched = entry["missed_at_equal_specificity"]
        assert matched["low"] < matched["value"] < matched["high"]
