"""Two versions of outputs that counts do not carry: survival, regions, weighted cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from audits import compare_predictions
from audits.cli.commands import auscult
from audits.cohorts import Attribute
from audits.comparison import compare_outputs
from audits.fairness import ScoredOutput
from audits.fairness.regions.measures import CaseMeasures
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.policy import load_policy
from audits.policy.gate import run_gate
from audits.running.task_options import task_names

POLICY = {"audit": {"groups": ["sex"], "verdict_metrics": ["c_uno", "auc_t", "oe_t", "dice"]}}


def of_sex(n: int, seed: int = 1) -> tuple[Attribute]:
    codes = np.random.default_rng(seed).integers(0, 2, n).astype(np.int32)
    return (
        Attribute(name="sex", column="sex", kind="demographic", levels=("F", "M"), codes=codes),
    )


def survival(n: int = 160, seed: int = 0, per_patient: int = 2):
    rng = np.random.default_rng(seed)
    hazard = rng.normal(size=n)
    time, stop = rng.exponential(np.exp(-hazard)), rng.exponential(2.0, n)
    base = ScoredOutput(
        name="died",
        y=(time <= stop).astype(np.int8),
        score=1 - np.exp(-np.exp(hazard + 0.8 * rng.normal(size=n))),
        task="survival",
        patients=np.arange(n) // per_patient,
        attributes=of_sex(n),
        details=SurvivalOutcome(
            time=np.minimum(time, stop) + 0.01, horizon=1.0, probabilities=True
        ),
    )
    other = 1 - np.exp(-np.exp(hazard + 0.8 * rng.normal(size=n)))
    return base, replace(base, score=other)


def compared(pair, policy=POLICY):
    declared = load_policy(policy)
    found = compare_outputs([pair], declared, base="a", candidate="b").to_dict()
    return found["outputs"][0]["groups"], found, declared


def taken(output: ScoredOutput, rows):
    return replace(
        output,
        y=output.y[rows],
        score=output.score[rows],
        patients=output.patients[rows],
        attributes=tuple(one.take(rows) for one in output.attributes),
        details=output.details.take(rows),
    )


def test_changes_of_survival_have_the_error_of_the_jackknife():
    pair = survival(120, per_patient=3)
    everybody = {"audit": {"groups": []}}
    groups, _, _ = compared(pair, everybody)
    without = []
    for patient in range(40):
        rows = np.flatnonzero(pair[0].patients != patient)
        found, _, _ = compared(tuple(taken(one, rows) for one in pair), everybody)
        without.append({m: e["delta"]["value"] for m, e in found[0]["metrics"].items()})
    for metric in ("c_uno", "auc_t", "brier_t", "oe_t"):
        delta = groups[0]["metrics"][metric]["delta"]
        values = np.array([one[metric] for one in without])
        error = np.sqrt(39 / 40 * np.sum((values - values.mean()) ** 2))
        width = (delta["high"] - delta["low"]) / 2 / stats.t.ppf(0.975, 40)
        assert width == pytest.approx(error, rel=0.2)
        assert delta["n_patients"] == 40


def test_equal_versions_of_survival_differ_by_nothing():
    base, _ = survival()
    groups, _, _ = compared((base, base))
    for group in groups:
        for entry in group["metrics"].values():
            assert (entry["delta"]["value"], entry["p"]) == (0.0, 1.0)


def segmented(values) -> ScoredOutput:
    n = len(values)
    return ScoredOutput(
        name="lesion",
        y=np.zeros(n),
        score=np.zeros(n),
        task="segmentation",
        space="value",
        attributes=of_sex(n),
        details=CaseMeasures(values={"dice": values, "hd95": 20 * (1 - values)}, reasons={}),
    )


def test_overlaps_of_the_same_cases_are_compared_as_a_paired_t_test_does():
    rng = np.random.default_rng(2)
    base = np.clip(0.7 + 0.1 * rng.normal(size=80), 0, 1)
    female = of_sex(80)[0].codes == 0
    better = np.clip(base + 0.08 * female + 0.02 * rng.normal(size=80), 0, 1)
    groups, found, _ = compared((segmented(base), segmented(better)))
    for group, rows in zip(groups, (np.ones(80, bool), female, ~female), strict=True):
        test = stats.ttest_rel(better[rows], base[rows])
        limits = test.confidence_interval(0.95)
        delta = group["metrics"]["dice"]["delta"]
        assert delta["value"] == pytest.approx((better - base)[rows].mean(), abs=1e-12)
        assert (delta["low"], delta["high"]) == pytest.approx(tuple(limits), abs=1e-9)
    said = [group["metrics"]["dice"]["verdict"] for group in groups]
    assert said[1:] == ["better", "equivalent"]
    did = groups[1]["metrics"]["dice"]["difference_in_differences"]
    assert did["value"] == pytest.approx(
        (better - base)[female].mean() - (better - base)[~female].mean(), abs=1e-12
    )
    rules = [
        {"metric": "dice", "kind": "noninferiority", "limit": 0.05},
        {"metric": "hd95", "kind": "noninferiority", "limit": 1.0},
    ]
    gate = load_policy({**POLICY, "gate": {"rule": rules}})
    assert run_gate({"outputs": [], "comparison": found}, gate).exit_code == 0


def test_a_case_that_only_one_version_draws_in_is_said():
    values = np.clip(0.7 + 0.1 * np.random.default_rng(3).normal(size=40), 0, 1)
    base = segmented(values)
    fewer = 20 * (1 - values)
    fewer[:3] = np.nan
    measured = CaseMeasures(values={"dice": values, "hd95": fewer}, reasons={})
    groups, _, _ = compared((base, replace(base, details=measured)))
    assert "40 cases of the base, 37" in groups[0]["metrics"]["hd95"]["delta"]["reason"]


def test_weights_of_one_are_no_weights():
    rng = np.random.default_rng(4)
    n = 300
    y = (rng.random(n) < 0.4).astype(int)
    risk = 1 / (1 + np.exp(-(rng.normal(size=n) + y)))
    table = pd.DataFrame(
        {"y": y, "a": risk, "b": np.clip(risk + 0.1 * rng.normal(size=n), 0, 1), "w": 1.0}
    )
    kinds = [{}, {"columns_of": task_names(weight="w")}]
    plain, weighted = (
        compare_predictions(
            table, label="y", base_score="a", candidate_score="b", threshold=0.5, **more
        ).to_dict()["outputs"][0]["groups"][0]
        for more in kinds
    )
    for metric in ("tpr", "fpr", "auroc", "brier", "ppv"):
        one, other = (group["metrics"][metric]["delta"] for group in (plain, weighted))
        assert other["value"] == pytest.approx(one["value"], abs=1e-12)
        assert other["high"] - other["low"] == pytest.approx(one["high"] - one["low"], rel=0.25)
    assert plain["negative_flips"] == weighted["negative_flips"]


def test_commands_compare_survival_regions_and_marks(tmp_path):
    base, candidate = survival()
    pd.DataFrame(
        {
            "days": base.details.time,
            "died": base.y,
            "old": base.score,
            "new": candidate.score,
            "dice": base.score,
            "dice2": candidate.score,
            "image": np.arange(160) // 4,
        }
    ).to_csv(tmp_path / "t.csv", index=False)
    marks = [
        *("--label", "died", "--base-score", "old", "--candidate-score", "new"),
        *("--image", "image", "--patient", "image"),
    ]
    times = ["--time", "days", "--event", "died", "--horizon", "1"]
    wanted = {
        "survival": [*times, "--base-score", "old", "--candidate-score", "new"],
        "segmentation": ["--base-measure", "dice=dice", "--candidate-measure", "dice=dice2"],
        "detection": marks,
    }
    for task, options in wanted.items():
        command = ["compare", "--predictions", str(tmp_path / "t.csv"), "--task", task, *options]
        command += ["--out", str(tmp_path / task), "--store", str(tmp_path / "store")]
        result = CliRunner().invoke(auscult, command)
        assert result.exit_code == 0, result.output
        assert "verdicts:" in result.output
    command = ["compare", "--predictions", str(tmp_path / "t.csv"), "--task", "segmentation"]
    command += [*wanted["segmentation"][:2], "--candidate-measure", "hd95=dice2"]
    result = CliRunner().invoke(auscult, [*command, "--out", str(tmp_path / "odd")])
    assert "name the same measurements of both" in str(result.exception)
