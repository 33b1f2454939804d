"""Outputs that are numbers or grades, crossings nobody declared, and metrics that do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from sklearn.metrics import cohen_kappa_score

from audits import audit_predictions
from audits.errors import AuditError, PolicyError
from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy

ERRORS = {
    "audit": {"groups": ["g"], "verdict_metrics": ["mae", "bias"]},
    "margin": {"mae": 0.5, "bias": 0.5},
    "reasons": {"margin.mae": "half a day", "margin.bias": "half a day"},
}


def numbers(make_attribute, *, n=600, shift=1.0, repeats=1, split=False, task="regression"):
    """Half the patients in each group; group a is predicted ``shift`` too high."""
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(n // repeats), repeats)
    codes = rng.integers(0, 2, n) if split else patients % 2
    y = np.round(rng.normal(5, 2, n))
    error = rng.normal(0, 1, n // repeats)[patients] + shift * (codes == 0)
    score = np.round(y + error) if task == "ordinal" else y + error
    return ScoredOutput(
        name="los",
        y=y,
        score=score,
        task=task,
        space="value",
        patients=patients,
        attributes=(make_attribute("g", ("a", "b"), codes),),
    )


def test_errors_are_compared_by_welch_s_test(make_attribute):
    output = numbers(make_attribute)
    (result,) = audit_fairness([output], load_policy(ERRORS)).outputs
    found = {c.metric: c for c in result.comparisons}
    error = output.score - output.y
    mine = output.attributes[0].codes == 0
    for metric, values in (("bias", error), ("mae", np.abs(error))):
        one = found[metric]
        welch = ttest_ind(values[mine], values[~mine], equal_var=False)
        assert one.difference.value == pytest.approx(values[mine].mean() - values[~mine].mean())
        assert one.p == pytest.approx(welch.pvalue, rel=1e-6)
        limits = welch.confidence_interval(0.95)
        assert one.difference.low == pytest.approx(limits.low, abs=1e-3)
        assert one.difference.high == pytest.approx(limits.high, abs=1e-3)
        assert one.margin == 0.5
    assert (found["bias"].verdict, found["bias"].worse) == ("disparity", "none")
    assert found["mae"].worse == "group"
    assert not result.findings


@pytest.mark.parametrize("split", [False, True])
def test_repeated_patients_widen_the_difference(make_attribute, split):
    repeated = numbers(make_attribute, repeats=6, split=split)
    (result,) = audit_fairness([repeated], load_policy(ERRORS)).outputs
    bias = next(c for c in result.comparisons if c.metric == "bias")
    error = repeated.score - repeated.y
    mine = repeated.attributes[0].codes == 0
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(400):
        weight = np.bincount(rng.integers(0, 100, 100), minlength=100)[repeated.patients]
        means = [np.average(error[part], weights=weight[part]) for part in (mine, ~mine)]
        draws.append(means[0] - means[1])
    half = (bias.difference.high - bias.difference.low) / 2 / 1.984
    assert half == pytest.approx(np.std(draws), rel=0.2)


def test_errors_that_do_not_vary_get_no_verdict(make_attribute):
    y = np.arange(80.0)
    attributes = (make_attribute("g", ("a", "b"), np.arange(80) % 2),)
    output = ScoredOutput(name="y", y=y, score=y + 1, task="regression", attributes=attributes)
    (result,) = audit_fairness([output], load_policy(ERRORS)).outputs
    assert {c.verdict for c in result.comparisons} == {"not_evaluable"}
    assert {c.reason for c in result.comparisons} == {"the errors do not vary"}


def test_a_verdict_metric_without_margin_is_refused():
    with pytest.raises(PolicyError, match="'mae' without a margin"):
        load_policy({"audit": {"verdict_metrics": ["mae"]}})


@pytest.mark.parametrize("groups", [1, 3])
def test_kappa_is_that_of_scikit_learn(make_attribute, groups):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 500)
    score = np.clip(y + rng.integers(-1, 2, 500), 0, 4)
    codes = rng.integers(0, groups, 500)
    attributes = (make_attribute("g", tuple("abc"[:groups]), codes),)
    output = ScoredOutput(
        name="kl", y=y, score=score.astype(float), task="ordinal", attributes=attributes
    )
    (result,) = audit_fairness([output], load_policy(None, groups=["g"])).outputs
    for code, group in enumerate(result.groups):
        rows = codes == code
        kappa = cohen_kappa_score(y[rows], score[rows], weights="quadratic", labels=range(5))
        assert group.metrics["kappa_w"].value == pytest.approx(kappa, abs=1e-12)
        assert group.metrics["kappa_w"].n == rows.sum()
    assert {c.verdict for c in result.comparisons} <= {"equivalent", "inconclusive"}
    assert bool(result.comparisons) == (groups > 1)
    assert "kappa_w is compared" in result.findings[0].message


def test_the_interval_of_kappa_is_that_of_a_bootstrap_over_patients(make_attribute):
    output = numbers(make_attribute, repeats=5, shift=0.5, task="ordinal")
    (result,) = audit_fairness([output], load_policy(None, groups=["g"])).outputs
    kappa = result.overall.metrics["kappa_w"]
    rng = np.random.default_rng(0)
    rows = np.arange(600).reshape(120, 5)
    draws = []
    for _ in range(300):
        taken = rows[rng.integers(0, 120, 120)].ravel()
        grades = (output.y[taken].astype(int), output.score[taken].astype(int))
        draws.append(cohen_kappa_score(*grades, weights="quadratic", labels=range(-5, 20)))
    assert (kappa.high - kappa.low) / 2 / 1.98 == pytest.approx(np.std(draws), rel=0.2)
    assert kappa.deff > 1.5


def test_a_grade_is_a_whole_number(make_attribute):
    output = numbers(make_attribute)
    broken = ScoredOutput(name="kl", y=output.y, score=output.score, task="ordinal")
    with pytest.raises(AuditError, match="a whole number, and 600 are not"):
        audit_fairness([broken], load_policy(None))


def test_one_and_the_same_grade_has_no_kappa():
    same = ScoredOutput(name="kl", y=np.ones(9), score=np.ones(9), task="ordinal")
    (result,) = audit_fairness([same], load_policy(None)).outputs
    assert result.overall.metrics["kappa_w"].value is None
    assert "same grade" in result.overall.metrics["kappa_w"].reason


@pytest.mark.parametrize("task", ["survival", "segmentation", "detection"])
def test_a_task_without_its_measurements_is_refused(task):
    output = ScoredOutput(name="os", y=np.ones(3), score=np.ones(3), task=task)
    with pytest.raises(AuditError, match=f"a {task} output needs"):
        audit_fairness([output], load_policy(None))


def test_metrics_that_do_not_fit_are_findings(make_attribute):
    rng = np.random.default_rng(3)
    attributes = (make_attribute("g", ("a", "b"), rng.integers(0, 2, 200)),)
    y = rng.integers(0, 2, 200)
    policy = load_policy({"audit": {"groups": ["g"], "verdict_metrics": ["tpr", "mae"]}} | MARGIN)
    ranked = ScoredOutput(
        name="y",
        y=y,
        score=rng.normal(size=200),
        space="value",
        threshold=0.0,
        attributes=attributes,
    )
    (result,) = audit_fairness([ranked], policy).outputs
    assert [f.message for f in result.findings] == [
        "Not compared between groups: mae. The output is a class: name a rate, auroc or oe_ratio."
    ]
    (result,) = audit_fairness([ranked], load_policy(None, groups=["g"])).outputs
    assert [f.severity for f in result.findings] == ["info"]
    assert "oe_ratio. The scores are not probabilities." in result.findings[0].message


MARGIN = {"margin": {"mae": 1.0}, "reasons": {"margin.mae": "test"}}


def cohort(n=1200):
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n),
            "age": rng.integers(18, 90, n),
            "ward": rng.choice(["1", "2", "3"], n),
            "y": rng.integers(0, 2, n),
        }
    )
    return frame.assign(s=np.clip(0.3 * frame["y"] + 0.6 * rng.random(n), 0, 1))


def test_what_nobody_declared_is_exploratory_and_leaves_q_alone():
    policy = {"audit": {"groups": ["sex"], "intersections": [["sex", "age"]]}}
    given = {"label": "y", "score": "s", "policy": policy, "threshold": 0.5}
    groups = ["sex", "age:40,65", "ward"]
    plain = audit_predictions(cohort(), groups=groups[:2], **given).to_dict()
    more = audit_predictions(
        cohort(), groups=groups, intersections=[["ward", "sex"], ["age", "sex"]], **given
    ).to_dict()

    def of(evidence):
        found = evidence["outputs"][0]["comparisons"]
        return {(c["metric"], c["attribute"], str(c["group"])): c for c in found}

    before, after = of(plain), of(more)
    assert {c["attribute"] for c in after.values() if c["declared"]} == {"sex", "sex×age"}
    assert {c["attribute"] for c in after.values() if not c["declared"]} == {
        *("age", "ward", "ward×sex"),
    }
    for key, one in after.items():
        if not one["declared"]:
            assert (one["q"], one["verdict"], one["strength"]) == (None, None, None)
            assert one["difference"]["value"] is not None
        else:
            assert one == before[key]
    named = [tuple(g["attributes"]) for g in more["outputs"][0]["groups"]]
    assert ("ward", "sex") in named
    assert not [f for f in more["findings"] if f["severity"] == "warning" and "×" in f["where"]]
