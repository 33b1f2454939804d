"""Decision curves, regret and ranking across groups, against their definitions row by row."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.intervals import katz_ratio
from audits.fairness.utility import THRESHOLDS
from audits.policy import load_policy

POLICY = load_policy(None, groups=["sex", "age"], intersections=[["sex", "age"]])


@pytest.fixture(scope="module")
def case(make_output):
    output = make_output(800, ties=True)
    return output, audit_fairness([output], POLICY).to_dict()[0]


def rows_of(output, attributes):
    keep = np.ones(len(output.y), dtype=bool)
    for item in output.attributes:
        if item.name in attributes:
            keep &= item.codes == item.levels.index(attributes[item.name])
    return output.y[keep] == 1, output.score[keep]


def net_benefit(y, score, threshold, odds):
    called = score >= threshold
    return ((called & y).sum() - odds * (called & ~y).sum()) / len(y)


def test_decision_curves(case):
    output, data = case
    assert data["decision_curve"][0]["attributes"] == {}
    assert len(data["decision_curve"]) == 1 + 2 + 4
    for entry in data["decision_curve"]:
        y, score = rows_of(output, entry["attributes"])
        for index, threshold in enumerate(THRESHOLDS):
            odds = threshold / (1 - threshold)
            expected = net_benefit(y, score, threshold, odds)
            assert entry["net_benefit"][index] == pytest.approx(expected, abs=1e-12)
            assert entry["treat_all"][index] == pytest.approx(y.mean() - odds * (1 - y.mean()))
            assert entry["low"][index] <= expected <= entry["high"][index]


def test_the_curve_meets_the_estimate_at_the_declared_threshold(case):
    _, data = case
    at = THRESHOLDS.index(0.5)
    curve, estimate = data["decision_curve"][0], data["overall"]["metrics"]["net_benefit"]
    assert curve["net_benefit"][at] == pytest.approx(estimate["value"], abs=1e-12)
    assert curve["low"][at] == pytest.approx(estimate["low"], abs=1e-3)


def test_regret_is_the_best_cut_at_the_same_odds(case):
    output, data = case
    for entry in data["regret"]:
        y, score = rows_of(output, entry["attributes"])
        best = max(0.0, *(net_benefit(y, score, cut, 1.0) for cut in np.unique(score)))
        expected = best - net_benefit(y, score, 0.5, 1.0)
        assert entry["regret"]["value"] == pytest.approx(expected, abs=1e-12)
        assert entry["regret"]["value"] >= 0
        assert "optimistic" in entry["note"]


def test_cross_areas_pair_by_pair(case):
    output, data = case
    assert {tuple(entry["attributes"]) for entry in data["cross_auroc"]} == {("sex",), ("age",)}
    for entry in data["cross_auroc"]:
        (name,) = entry["attributes"]
        item = next(a for a in output.attributes if a.name == name)
        own = item.codes == item.levels.index(entry["attributes"][name])
        y = output.y == 1
        for key, pos, neg in (
            ("own_positives_over_other_negatives", own & y, ~own & ~y),
            ("other_positives_over_own_negatives", ~own & y, own & ~y),
        ):
            a, b = output.score[pos][:, None], output.score[neg][None, :]
            expected = ((a > b) + (a == b) / 2).mean()
            assert entry[key]["value"] == pytest.approx(expected, abs=1e-12)
            assert entry[key]["low"] < expected < entry[key]["high"]


def test_a_score_offset_shows_across_groups_only(make_attribute):
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 2, 4000), np.repeat([0, 1], 2000)
    score = 1 / (1 + np.exp(-(2 * y + 1.5 * g + rng.normal(size=4000) - 2)))
    output = ScoredOutput(
        name="y",
        y=y,
        score=score,
        threshold=0.5,
        attributes=(make_attribute("g", "ab", g),),
    )
    data = audit_fairness([output], load_policy(None, groups=["g"])).to_dict()[0]
    own = [group["metrics"]["auroc"]["value"] for group in data["groups"]]
    assert abs(own[0] - own[1]) < 0.03
    (low, high) = (e["own_positives_over_other_negatives"]["value"] for e in data["cross_auroc"])
    assert high - low > 0.2


def test_rates_carry_their_ratio(case):
    _, data = case
    for item in data["comparisons"]:
        if item["metric"] not in ("tpr", "fpr"):
            assert item["ratio"] is None
            continue
        expected = (item["group_k"] / item["group_n"]) / (item["ref_k"] / item["ref_n"])
        assert item["ratio"]["value"] == pytest.approx(expected)
        assert item["ratio"]["low"] < expected < item["ratio"]["high"]


def test_a_shared_part_narrows_the_ratio():
    apart = katz_ratio(30, 50, 40, 50, 1.96)
    together = katz_ratio(30, 50, 40, 50, 1.96, 0.5)
    assert together[2] - together[1] < apart[2] - apart[1]


def test_without_probabilities_there_is_no_curve(make_attribute):
    rng = np.random.default_rng(1)
    output = ScoredOutput(
        name="y",
        y=rng.integers(0, 2, 100),
        score=rng.normal(size=100),
        space="value",
        threshold=0.0,
        attributes=(make_attribute("g", "ab", rng.integers(0, 2, 100)),),
    )
    data = audit_fairness([output], load_policy(None, groups=["g"])).to_dict()[0]
    json.dumps(data, allow_nan=False)
    assert "decision_curve" not in data
    assert data["cross_auroc"]
