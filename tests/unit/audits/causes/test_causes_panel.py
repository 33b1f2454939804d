"""The whole panel: complete, deterministic, clustered, and right or null on hard inputs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from audits.fairness.causes import Column, Context, explain_gaps

SECTIONS = {
    "standardised_gaps",
    "independence",
    "common_prevalence",
    "underdiagnosis",
    "label_error",
    "label_choice",
    "missingness",
    "representativeness",
}


@pytest.fixture(scope="module")
def policy(policy_for):
    return policy_for(
        "sex",
        "age",
        "race",
        audit={"intersections": [["sex", "age"]]},
        causes={"population": {"sex": {"F": 0.51, "M": 0.49}}},
    )


def context_for(output, seed=0):
    rng = np.random.default_rng(seed)
    lactate = rng.normal(2, 1, len(output.y))
    lactate[rng.random(len(output.y)) < 0.2] = np.nan
    unit = rng.integers(-1, 3, len(output.y))
    return Context(
        columns=(
            Column(name="lactate", values=lactate, unit="mmol/L", normal=(0.5, 2.2)),
            Column(name="unit", values=unit, levels=("Medical", "Neuro", "Surgical")),
        ),
        second_label=("illnesses", rng.poisson(2 + output.y).astype(float)),
    )


def test_every_question_is_answered_with_estimates(cohort, policy, check_estimates):
    output = cohort()
    result = explain_gaps(output, policy, seed=1, context=context_for(output))
    assert set(result) >= SECTIONS
    assert all(result[name]["state"] == "computed" for name in SECTIONS)
    assert check_estimates(result) > 200


def test_the_same_seed_gives_the_same_panel(cohort, policy):
    output = cohort()
    first, second = (explain_gaps(output, policy, seed=3) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_what_is_not_declared_says_so(cohort, policy_for):
    result = explain_gaps(cohort(), policy_for("sex"))
    for name in ("label_choice", "representativeness"):
        assert result[name]["state"] == "not_available"
        assert result[name]["reason"]
    assert result["missingness"]["variables"]["state"] == "not_available"


def test_without_a_threshold_only_what_needs_none_is_computed(cohort, policy, check_estimates):
    result = explain_gaps(cohort(threshold=None), policy)
    assert result["underdiagnosis"]["state"] == "not_available"
    assert result["common_prevalence"]["state"] == "not_available"
    metrics = {gap["metric"] for gap in result["standardised_gaps"]["gaps"]}
    assert metrics == {"auroc"}
    check_estimates(result)


@pytest.mark.parametrize("task", ["regression", "survival", "ordinal"])
def test_other_tasks_have_no_panel(cohort, policy, task):
    result = explain_gaps(cohort(task=task), policy)
    assert result["state"] == "not_available"
    assert task in result["reason"]


def _hard(cohort, make_grouping):
    output = cohort(300)
    rng = np.random.default_rng(0)
    codes = {item.name: item.codes for item in output.attributes}
    one_class = np.where(codes["sex"] == 0, 0, output.y).astype(np.int8)
    gone = np.where(codes["age"] == 2, -1, output.y).astype(np.int8)
    alone = np.zeros(300, dtype=np.int32)
    alone[7] = 1
    many = make_grouping("race", [str(i) for i in range(300)], rng.permutation(300))
    nan = np.where(rng.random(300) < 0.3, np.nan, output.score)
    swap = (*output.attributes[:2],)
    return {
        "a group of one class": replace(output, y=one_class),
        "all positive": replace(output, y=np.ones(300, dtype=np.int8)),
        "all negative": replace(output, y=np.zeros(300, dtype=np.int8)),
        "constant scores": replace(output, score=np.full(300, 0.5)),
        "scores of 0 and 1": replace(output, score=np.round(output.score)),
        "labels missing in a group": replace(output, y=gone),
        "missing scores": replace(output, score=nan),
        "a group of one": replace(
            output, attributes=(*swap, make_grouping("race", ("A", "B"), alone))
        ),
        "as many levels as rows": replace(output, attributes=(*swap, many)),
        "everybody unknown": replace(
            output, attributes=(*swap, make_grouping("race", ("Unknown",), np.zeros(300)))
        ),
        "one case": replace(
            output,
            y=output.y[:1],
            score=output.score[:1],
            patients=output.patients[:1],
            attributes=tuple(item.take(np.arange(1)) for item in output.attributes),
        ),
        "all labels missing": replace(output, y=np.full(300, -1, dtype=np.int8)),
        "ranked scores": replace(output, score=output.score * 100 - 50, space="value"),
        "nobody called": replace(output, threshold=2.0),
        "no patients": replace(output, patients=None),
        "one patient": replace(output, patients=np.zeros(300, dtype=np.int64)),
        "no groups": replace(output, attributes=()),
    }


HARD = (
    "a group of one class",
    "all positive",
    "all negative",
    "constant scores",
    "scores of 0 and 1",
    "labels missing in a group",
    "missing scores",
    "a group of one",
    "as many levels as rows",
    "everybody unknown",
    "one case",
    "all labels missing",
    "ranked scores",
    "nobody called",
    "no patients",
    "one patient",
    "no groups",
)


@pytest.mark.parametrize("case", HARD)
def test_hard_inputs_give_an_answer_or_a_reason(
    cohort, policy, make_grouping, check_estimates, case
):
    output = _hard(cohort, make_grouping)[case]
    check_estimates(explain_gaps(output, policy, context=context_for(output)))


def test_repeating_every_row_of_a_patient_changes_no_interval(cohort, policy, check_estimates):
    output = cohort(500, clustered=False)
    output = replace(output, patients=np.arange(500))
    twice = np.tile(np.arange(500), 2)
    doubled = replace(
        output,
        y=output.y[twice],
        score=output.score[twice],
        patients=twice,
        attributes=tuple(item.take(twice) for item in output.attributes),
    )
    single = explain_gaps(output, policy)["standardised_gaps"]["gaps"]
    double = explain_gaps(doubled, policy)["standardised_gaps"]["gaps"]
    for one, two in zip(single, double, strict=True):
        for part in ("crude", "standardised"):
            if one[part]["low"] is None:
                continue
            assert two[part]["value"] == pytest.approx(one[part]["value"])
            assert two[part]["low"] == pytest.approx(one[part]["low"], abs=1e-9)
            assert two[part]["deff"] == pytest.approx(2, rel=1e-6)


def test_of_many_levels_the_largest_are_compared(cohort, policy_for, make_grouping):
    rng = np.random.default_rng(0)
    codes = np.minimum(rng.geometric(0.05, 900) - 1, 79)
    ward = make_grouping("ward", [f"w{i:02d}" for i in range(80)], codes)
    output = cohort(900, attributes=(ward,))
    result = explain_gaps(output, policy_for("ward"))
    assert result["largest_levels_only"] == ["ward"]
    compared = {gap["group"]["ward"] for gap in result["standardised_gaps"]["gaps"]}
    assert len(compared) == 50
    sizes = np.bincount(codes, minlength=80)
    left = [sizes[int(level[1:])] for level in {f"w{i:02d}" for i in range(80)} - compared]
    assert max(left) <= min(sizes[int(level[1:])] for level in compared)
