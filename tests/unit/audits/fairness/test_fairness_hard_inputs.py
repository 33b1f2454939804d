"""Whatever comes in: a right answer or null with a reason; never a crash, a 0 or a NaN."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy

POLICY = load_policy(None, groups=["g", "h"], intersections=[["g", "h"]])


def checked(output, policy=POLICY):
    """Audit, and check what must hold of every number of every audit."""
    result = audit_fairness([output], policy)
    data = result.to_dict()
    json.dumps(data, allow_nan=False)
    for group in (data[0]["overall"], *data[0]["groups"]):
        for name, estimate in group["metrics"].items():
            check_estimate(name, estimate)
    for comparison in data[0]["comparisons"]:
        check_estimate(comparison["metric"], comparison["difference"])
        for name in ("p", "q", "p_margin", "q_margin", "p_equivalence"):
            assert comparison[name] is None or 0 <= comparison[name] <= 1
    return result.outputs[0]


def check_estimate(name, estimate):
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        assert estimate["reason"], name
        assert low is None
        assert high is None
    elif low is None or high is None:
        assert estimate["reason"], name
    else:
        assert low < high, name
        assert low <= value <= high, name


def output_of(y, score, g, h=None, *, attribute, patients=None, **more):
    h = np.zeros(len(y), dtype=int) if h is None else h
    levels = [str(i) for i in range(int(max(g, default=0)) + 1)]
    other = [str(i) for i in range(int(max(h, default=0)) + 1)]
    return ScoredOutput(
        name="y",
        y=np.asarray(y),
        score=np.asarray(score, dtype=np.float64),
        threshold=more.pop("threshold", 0.5),
        patients=patients,
        attributes=(attribute("g", levels, g), attribute("h", other, h)),
        **more,
    )


def test_one_class_groups(make_attribute):
    rng = np.random.default_rng(0)
    g = np.repeat([0, 1, 2], 40)
    y = np.concatenate((np.ones(40), np.zeros(40), rng.integers(0, 2, 40)))
    result = checked(output_of(y, rng.random(120), g, attribute=make_attribute))
    only_positives, only_negatives, _ = result.groups[:3]
    assert only_positives.metrics["fpr"].value is None
    assert only_positives.metrics["fpr"].reason == "no negatives"
    assert only_negatives.metrics["tpr"].value is None
    assert only_negatives.metrics["auroc"].reason == "no positives"
    assert only_negatives.metrics["calibration_slope"].value is None
    assert only_negatives.metrics["oe_ratio"].value is None


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_constant_scores(make_attribute, constant):
    rng = np.random.default_rng(1)
    y, g = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    result = checked(output_of(y, np.full(200, constant), g, attribute=make_attribute))
    assert result.overall.metrics["auroc"].value == 0.5
    assert result.overall.metrics["calibration_slope"].reason == "the scores do not vary"


def test_ties_everywhere(make_attribute):
    rng = np.random.default_rng(2)
    y, g, h = (rng.integers(0, 2, 400) for _ in range(3))
    checked(output_of(y, rng.integers(0, 2, 400), g, h, attribute=make_attribute))


def test_perfect_scores(make_attribute):
    rng = np.random.default_rng(3)
    y, g = rng.integers(0, 2, 300), rng.integers(0, 3, 300)
    result = checked(output_of(y, 0.1 + 0.8 * y, g, attribute=make_attribute))
    area = result.overall.metrics["auroc"]
    assert (area.value, area.high) == (1.0, 1.0)
    assert area.low < 1
    assert result.overall.metrics["tpr"].low < 1
    assert {c.verdict for c in result.comparisons if c.metric == "auroc"} <= {
        "equivalent",
        "inconclusive",
    }


def test_scores_that_are_the_labels(make_attribute):
    """Observed and expected events agree case by case: nothing varies, so nothing is claimed."""
    y = np.tile([0, 1], 100)
    output = output_of(y, y, np.repeat([0, 1, 2, 3], 50), attribute=make_attribute)
    found = [c for c in checked(output).comparisons if c.metric == "oe_ratio"]
    assert found
    assert all(c.verdict == "not_evaluable" and "as predicted" in c.reason for c in found)
    assert all(c.difference_90 == (None, None) for c in found)


def test_a_group_of_one_and_nobody_else(make_attribute):
    checked(output_of([1], [0.7], [0], attribute=make_attribute))
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 101)
    g = np.r_[np.zeros(100, dtype=int), 1]
    result = checked(output_of(y, rng.random(101), g, attribute=make_attribute))
    assert result.groups[1].n == 1


def test_five_hundred_levels(make_attribute):
    rng = np.random.default_rng(5)
    n = 3000
    y, g, h = rng.integers(0, 2, n), rng.integers(0, 500, n), rng.integers(0, 2, n)
    result = checked(output_of(y, rng.random(n), g, h, attribute=make_attribute))
    assert len([c for c in result.groups if list(c.attributes) == ["g"]]) == 500
    assert not [c for c in result.comparisons if c.verdict == "disparity"]


def test_all_labels_missing_in_a_group(make_attribute):
    rng = np.random.default_rng(6)
    y, g = rng.integers(0, 2, 200), np.repeat([0, 1], 100)
    y[g == 1] = -1
    result = checked(output_of(y, rng.random(200), g, attribute=make_attribute))
    empty = result.groups[1]
    assert empty.n == 0
    assert {estimate.value for estimate in empty.metrics.values()} == {None}
    assert any("lack a label or a score" in finding.message for finding in result.findings)


def test_nothing_usable_at_all(make_attribute):
    result = checked(output_of(np.full(5, -1), np.ones(5), [0] * 5, attribute=make_attribute))
    assert result.overall.n == 0
    result = checked(output_of(np.zeros(0), np.zeros(0), [], attribute=make_attribute))
    assert result.overall.metrics["tpr"].value is None


def test_nan_and_infinite_scores(make_attribute):
    rng = np.random.default_rng(7)
    y, score = rng.integers(0, 2, 300), rng.normal(size=300)
    score[::7] = np.nan
    score[::11] = np.inf
    score[5] = -np.inf
    output = output_of(y, score, y * 0, attribute=make_attribute, space="value", threshold=0.0)
    result = checked(output)
    assert result.overall.n == np.isfinite(score).sum() + np.isinf(score).sum()
    assert result.overall.metrics["brier"].reason == "the scores are not probabilities"


def test_missing_labels_as_nan(make_attribute):
    rng = np.random.default_rng(8)
    y = rng.integers(0, 2, 100).astype(float)
    y[:10] = np.nan
    result = checked(output_of(y, rng.random(100), np.zeros(100, int), attribute=make_attribute))
    assert result.overall.n == 90


def test_rows_in_no_group(make_attribute):
    rng = np.random.default_rng(9)
    g = rng.integers(-1, 3, 400)
    y = rng.integers(0, 2, 400)
    output = output_of(
        y, rng.random(400), g, attribute=make_attribute, patients=rng.integers(0, 150, 400)
    )
    result = checked(output)
    assert sum(group.n for group in result.groups[:3]) == (g >= 0).sum()
    comparison = next(c for c in result.comparisons if c.metric == "tpr")
    assert comparison.group_n + comparison.ref_n == ((g >= 0) & (y == 1)).sum()


def test_one_patient_owns_everything(make_attribute):
    rng = np.random.default_rng(10)
    y, g = rng.integers(0, 2, 120), rng.integers(0, 3, 120)
    patients = np.zeros(120, dtype=np.int64)
    result = checked(output_of(y, rng.random(120), g, attribute=make_attribute, patients=patients))
    assert result.overall.patients == 1
    assert {c.verdict for c in result.comparisons} == {"not_evaluable"}


@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_ordinary_cohorts(make_output, clustered, shared):
    policy = load_policy(None, groups=["sex", "age"], intersections=[["sex", "age"]])
    for seed in range(3):
        checked(make_output(500, seed=seed, clustered=clustered, shared=shared), policy)


def test_no_threshold_leaves_ranking(make_attribute):
    rng = np.random.default_rng(11)
    y = rng.integers(0, 2, 200)
    g = rng.integers(0, 2, 200)
    output = output_of(y, rng.random(200), g, attribute=make_attribute, threshold=None)
    result = checked(output)
    assert result.overall.metrics["tpr"].reason == "no threshold is declared"
    assert result.overall.metrics["auroc"].value is not None
    assert {c.metric for c in result.comparisons} == {"auroc", "oe_ratio"}


def test_regression(make_attribute):
    rng = np.random.default_rng(12)
    y = rng.normal(50, 10, 300)
    g = rng.integers(0, 2, 300)
    output = output_of(y, y + 2 + rng.normal(size=300), g, attribute=make_attribute)
    output = ScoredOutput(
        name="los",
        y=output.y,
        score=output.score,
        task="regression",
        space="value",
        attributes=output.attributes,
    )
    result = checked(output)
    bias = result.overall.metrics["bias"]
    assert bias.low < 2 < bias.high
    assert set(result.overall.metrics) == {"mae", "bias"}


def test_predicted_positive_means_at_least_the_threshold(make_attribute):
    score = np.asarray([0.3, np.nextafter(0.3, 0), 0.3, np.nextafter(0.3, 1)])
    output = output_of([1, 1, 0, 0], score, [0] * 4, attribute=make_attribute, threshold=0.3)
    metrics = checked(output).overall.metrics
    assert metrics["tpr"].k == 1
    assert metrics["fpr"].k == 2
