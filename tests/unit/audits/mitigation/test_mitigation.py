"""The preview: on held-out patients, of every group, and nothing is applied."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.mitigation import preview_mitigation
from audits.fairness.mitigation.thresholds import threshold_for
from audits.policy import load_policy


def cohort(n=4000, seed=0, *, small=0.0, clustered=True):
    """Return an output whose scores understate group B by a logit."""
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n) if clustered else np.arange(n)
    size = int(patients.max()) + 1
    shares = [0.6 - small, 0.4, small]
    group = rng.choice(3, size, p=shares)[patients]
    risk = rng.normal(-0.8, 1.2, n)
    y = rng.random(n) < 1 / (1 + np.exp(-risk))
    score = 1 / (1 + np.exp(-(risk - 1.0 * (group == 1))))
    race = Attribute(
        name="race",
        column="race",
        kind="demographic",
        levels=("A", "B", "C"),
        codes=group.astype(np.int32),
    )
    return ScoredOutput(
        name="y",
        y=y.astype(np.int8),
        score=score,
        threshold=0.3,
        patients=patients,
        attributes=(race,),
    )


@pytest.fixture(scope="module")
def policy():
    return load_policy(None, groups=["race"])


@pytest.fixture(scope="module")
def preview(policy):
    return preview_mitigation(cohort(), policy)


def method_of(preview, name):
    (attribute,) = preview["attributes"]
    (found,) = [one for one in attribute["methods"] if one["method"] == name]
    return {entry["attributes"].get("race"): entry["metrics"] for entry in found["groups"]}


def now_of(preview):
    (attribute,) = preview["attributes"]
    return {entry["attributes"].get("race"): entry["metrics"] for entry in attribute["now"]}


METHODS = (
    "equal_sensitivity",
    "equal_false_alarms",
    "threshold_optimizer",
    "recalibration_logistic",
    "recalibration_isotonic",
)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_narrows_the_planted_gap(preview, name):
    now, after = now_of(preview), method_of(preview, name)
    assert set(after) == {None, "A", "B"}
    before = now["A"]["tpr"]["value"] - now["B"]["tpr"]["value"]
    assert before > 0.15
    gap = after["A"]["tpr"]["after"]["value"] - after["B"]["tpr"]["after"]["value"]
    assert abs(gap) < 0.08
    assert after["B"]["tpr"]["change"]["low"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_after_is_now_plus_change(preview, name):
    now, after = now_of(preview), method_of(preview, name)
    for group, metrics in after.items():
        for metric in ("tpr", "fpr", "selection_rate"):
            one = metrics[metric]
            wanted = now[group][metric]["value"] + one["change"]["value"]
            assert one["after"]["value"] == pytest.approx(wanted, abs=1e-12)


def test_recalibration_brings_observed_to_expected(preview):
    assert now_of(preview)["B"]["oe_ratio"]["low"] > 1.2
    for name in ("recalibration_logistic", "recalibration_isotonic"):
        ratio = method_of(preview, name)["B"]["oe_ratio"]["after"]
        # The interval is that of the judging half; the fit's own error comes on top.
        assert ratio["value"] == pytest.approx(1, abs=0.15)
        assert ratio["high"] < now_of(preview)["B"]["oe_ratio"]["low"]


def test_it_is_marked_as_a_preview_and_judged_on_other_patients(policy, preview):
    output = cohort()
    assert preview["preview"] is True
    patients = preview["fitted_on"]["patients"] + preview["judged_on"]["patients"]
    assert patients == len(np.unique(output.patients))
    assert preview["fitted_on"]["n"] + preview["judged_on"]["n"] == 4000


def test_nothing_is_applied(policy):
    output = cohort(800)
    before = audit_fairness([output], policy).to_dict()
    score = output.score.copy()
    preview_mitigation(output, policy)
    np.testing.assert_array_equal(output.score, score)
    assert audit_fairness([output], policy).to_dict() == before


def test_a_small_group_keeps_the_common_rule(policy):
    (attribute,) = preview_mitigation(cohort(small=0.01), policy)["attributes"]
    assert [entry["attributes"] for entry in attribute["not_fitted"]] == [{"race": "C"}]
    for one in attribute["methods"]:
        assert "C" not in one["parameters"]
        (found,) = [g for g in one["groups"] if g["attributes"] == {"race": "C"}]
        assert found["metrics"]["selection_rate"]["change"]["value"] == 0


def test_the_same_seed_gives_the_same_preview(policy):
    runs = [json.dumps(preview_mitigation(cohort(600), policy, seed=2)) for _ in "ab"]
    assert runs[0] == runs[1]


@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9]), min_size=1, max_size=12),
    rate=st.floats(0, 1),
)
@settings(max_examples=80, deadline=None)
def test_the_threshold_is_the_nearest_there_is(scores, rate):
    score = np.asarray(scores)
    base = np.ones(len(score), dtype=bool)
    found = threshold_for(score, base, rate)
    reachable = [np.mean(score >= t) for t in [*score, math.inf]]
    best = min(abs(share - rate) for share in reachable)
    assert abs(np.mean(score >= found) - rate) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("case", ["one label", "constant", "ranked", "few", "no threshold"])
def test_hard_inputs_give_an_answer_or_a_reason(policy, case):
    output = cohort(400)
    changed = {
        "one label": replace(output, y=np.ones(400, dtype=np.int8)),
        "constant": replace(output, score=np.full(400, 0.4)),
        "ranked": replace(output, score=output.score * 9 - 4, space="value"),
        "few": cohort(10),
        "no threshold": replace(output, threshold=None),
    }[case]
    result = preview_mitigation(changed, policy)
    json.dumps(result, allow_nan=False)
    if case == "no threshold":
        assert result["reason"]
    elif case in ("one label", "few"):
        assert result["attributes"][0]["reason"]
    elif case == "ranked":
        names = [one["method"] for one in result["attributes"][0]["methods"]]
        assert names == list(METHODS[:3])
