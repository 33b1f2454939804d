"""Defects measured in other tools (fairness reference, section 7.1), as tests against us."""

from __future__ import annotations

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy


def test_no_positives_is_not_a_rate_of_zero(make_attribute):
    """fairlearn: TPR = 0.0 and FNR = 0.0 for a group without positives, difference .667."""
    output = ScoredOutput(
        name="y",
        y=np.asarray([1, 1, 1, 0, 0, 0]),
        score=np.asarray([0.9, 0.9, 0.1, 0.1, 0.2, 0.3]),
        threshold=0.5,
        attributes=(make_attribute("g", "ab", [0, 0, 0, 1, 1, 1]),),
    )
    result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
    second = result.groups[1].metrics
    assert second["tpr"].value is None
    assert second["fnr"].value is None
    (tpr,) = [c for c in result.comparisons if c.metric == "tpr"]
    assert tpr.difference.value is None
    assert tpr.verdict == "not_evaluable"


def test_all_right_is_not_a_zero_width_interval(make_attribute):
    """fairlearn: accuracy CI [1, 1], TPR CI [0, 1] from three positives, all right."""
    output = ScoredOutput(
        name="y",
        y=np.asarray([1, 1, 1, 0, 0, 0]),
        score=np.asarray([0.9, 0.8, 0.9, 0.1, 0.2, 0.3]),
        threshold=0.5,
        attributes=(make_attribute("g", ["a"], [0] * 6),),
    )
    metrics = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0].overall.metrics
    assert metrics["accuracy"].low < 0.7
    assert metrics["accuracy"].high == 1
    assert metrics["tpr"].method == "jeffreys"
    assert metrics["tpr"].reason.startswith("insufficient")
    assert 0.2 < metrics["tpr"].low < 0.6


def test_significance_of_fpr_tests_fpr(make_attribute):
    """Aequitas: with equal FPR and FNR and unequal prevalence its tests reject 20 of 20 times."""
    y, score, g = [], [], []
    for code, positives in enumerate((750, 225)):
        negatives = 1500 - positives
        hits, alarms = round(0.8 * positives), round(0.1 * negatives)
        y += [1] * positives + [0] * negatives
        score += [1] * hits + [0] * (positives - hits) + [1] * alarms + [0] * (negatives - alarms)
        g += [code] * 1500
    output = ScoredOutput(
        name="y",
        y=np.asarray(y),
        score=np.asarray(score, dtype=float),
        threshold=0.5,
        space="value",
        attributes=(make_attribute("g", "ab", g),),
    )
    result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
    for comparison in result.comparisons:
        assert comparison.p > 0.5, comparison.metric
        assert comparison.verdict != "disparity"


def test_the_callers_level_is_passed_down(make_output):
    """Aequitas: 5e-2 is hard-coded in three places."""
    output = make_output(4000, seed=2)
    strict = load_policy({"audit": {"groups": ["sex", "age"], "alpha": 1e-9}})
    loose = load_policy({"audit": {"groups": ["sex", "age"], "alpha": 0.5}})
    counts = [audit_fairness([output], policy).rejections for policy in (strict, loose)]
    assert counts[0] <= counts[1]
    assert audit_fairness([output], strict).alpha == 1e-9


def test_small_groups_are_listed_and_not_skipped(make_attribute):
    """Giskard skips groups under 20 in silence."""
    rng = np.random.default_rng(0)
    g = np.r_[np.zeros(200, dtype=int), np.ones(4, dtype=int), np.full(200, 2)]
    output = ScoredOutput(
        name="y",
        y=rng.integers(0, 2, 404),
        score=rng.random(404),
        threshold=0.5,
        attributes=(make_attribute("g", "abc", g),),
    )
    result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
    assert [group.n for group in result.groups] == [200, 4, 200]
    listed = [c for c in result.comparisons if c.group == {"g": "b"}]
    assert len(listed) == 4
    assert {c.verdict for c in listed} == {"not_evaluable"}
    assert all("needed" in c.reason for c in listed)


def test_a_fair_model_is_not_called_unequal_by_its_worst_group(make_attribute):
    """Max-min with a bootstrap interval calls 100 of 100 fair models unfair."""
    rng = np.random.default_rng(1)
    called = 0
    for _ in range(10):
        n = 4000
        y, g = rng.integers(0, 2, n), rng.integers(0, 50, n)
        output = ScoredOutput(
            name="y",
            y=y,
            score=(rng.random(n) < np.where(y == 1, 0.8, 0.1)).astype(float),
            threshold=0.5,
            space="value",
            attributes=(make_attribute("g", [str(i) for i in range(50)], g),),
        )
        result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
        called += any(c.verdict == "disparity" for c in result.comparisons)
    assert called <= 2


def test_debiased_calibration_error_does_not_grow_in_small_groups(make_attribute):
    """A plain ECE rises as groups shrink; the debiased one stays around zero."""
    rng = np.random.default_rng(2)
    score = rng.uniform(0.05, 0.95, 40_000)
    y = (rng.random(40_000) < score).astype(int)
    output = ScoredOutput(
        name="y",
        y=y,
        score=score,
        threshold=0.5,
        attributes=(make_attribute("g", [str(i) for i in range(200)], np.arange(40_000) % 200),),
    )
    result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
    values = [group.metrics["ece_debiased"].value for group in result.groups]
    assert np.mean(values) == pytest.approx(0, abs=1e-3)
