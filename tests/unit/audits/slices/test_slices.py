"""Slices: silent where nothing is planted, found where something is, and fast."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput
from audits.fairness.causes import Column, Context
from audits.fairness.slices import discover_slices
from audits.fairness.slices.conditions import Condition
from audits.fairness.slices.confirm import Claim, Measure, confirm
from audits.fairness.slices.search import MAX_SLICES, find_slices
from audits.policy import load_policy


def cohort(n, seed, *, variables=4, planted=0.0, clustered=False, score_bits=None):
    """Return an output and variables that say nothing, but for the planted slice."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n // 3), 3)[:n] if clustered else np.arange(n)
    n = len(patient)
    size = int(patient.max()) + 1
    effect = rng.normal(size=size)[patient] if clustered else np.zeros(n)
    sex = rng.integers(0, 2, size)[patient]
    site = rng.integers(0, 3, size)[patient]
    values = rng.normal(size=(size, variables))[patient]
    y = rng.random(n) < 1 / (1 + np.exp(0.3 - effect))
    score = 1 / (1 + np.exp(-(1.5 * y - 0.75 + effect + rng.normal(size=n))))
    inside = (sex == 0) & (values[:, 0] > 0.67)
    score = np.where(inside & y & (rng.random(n) < planted), 0.05, score)
    if score_bits is not None:
        score = np.round(score, score_bits)
    output = ScoredOutput(
        name="y",
        y=y.astype(np.int8),
        score=score,
        threshold=0.5,
        patients=patient if clustered else None,
        attributes=(
            Attribute(name="sex", column="sex", kind="demographic", levels=("F", "M"), codes=sex),
            Attribute(name="site", column="site", kind="site", levels=("a", "b", "c"), codes=site),
        ),
    )
    columns = tuple(
        Column(name=f"v{i}", values=np.ascontiguousarray(values[:, i])) for i in range(variables)
    )
    return output, Context(columns=columns)


@pytest.fixture(scope="module")
def policy():
    return load_policy(None, groups=["sex", "site"])


@pytest.mark.parametrize("clustered", [False, True])
def test_where_nothing_differs_at_most_five_percent_of_scans_flag_any(policy, clustered):
    flagged = 0
    for seed in range(200):
        output, context = cohort(300, seed, variables=3, clustered=clustered)
        found = discover_slices(output, policy, seed=seed, context=context)
        flagged += any(one["flagged"] for one in found["slices"])
    assert flagged <= 18  # 99 % binomial limit of 5 % of 200


def test_a_planted_slice_of_two_variables_is_found(policy):
    output, context = cohort(3000, 1, planted=0.7)
    found = discover_slices(output, policy, seed=0, context=context)
    best = next(one for one in found["slices"] if one["metric"] == "tpr")
    assert best["flagged"]
    assert best["p"] == pytest.approx(0.001)
    said = best["conditions"]
    assert len(said) == 2
    assert "sex = F" in said
    assert any(text.startswith("v0 >=") for text in said)
    assert best["difference"]["high"] < -0.3
    assert found["exploratory"] is True


def test_overlapping_slices_are_merged(policy):
    output, context = cohort(3000, 1, planted=0.7)
    twin = Column(name="copy", values=context.columns[0].values + 1e-9)
    context = Context(columns=(*context.columns, twin))
    found = discover_slices(output, policy, seed=0, context=context)
    misses = [one for one in found["slices"] if one["metric"] == "tpr" and one["flagged"]]
    texts = [set(one["conditions"]) for one in misses]
    assert sum("sex = F" in one and len(one) > 1 for one in texts) == 1
    assert any("copy" in text or "v0" in text for text in misses[0]["merged"][0])


def test_eight_thousand_rows_and_ten_variables_take_under_five_seconds(policy):
    output, context = cohort(8000, 0, variables=10)
    start = time.thread_time()
    discover_slices(output, policy, context=context)
    assert time.thread_time() - start < 5


def test_the_same_seed_finds_the_same(policy):
    output, context = cohort(600, 3)
    runs = [json.dumps(discover_slices(output, policy, seed=5, context=context)) for _ in "ab"]
    assert runs[0] == runs[1]


def test_half_the_patients_never_take_part_in_the_search(policy):
    """Errors of the testing half may be anything: the candidates stay the same."""
    rng = np.random.default_rng(0)
    base = rng.random(600) < 0.5
    conditions = [
        Condition(variable=str(i), text=str(i), mask=rng.random(600) < 0.5) for i in range(6)
    ]
    loss = rng.random(600) < 0.4
    other = np.where(base, loss, rng.random(600) < 0.9)
    first, second = (find_slices(conditions, one.astype(float), base) for one in (loss, other))
    assert first == second
    assert len(first) <= MAX_SLICES
    assert all(len(found.members) <= 3 for found in first)


def test_adjusted_p_is_that_of_the_largest_statistic():
    """One slice alone: the permutation p agrees with Fisher's exact test."""
    from scipy.stats import fisher_exact

    rng = np.random.default_rng(4)
    inside, wrong = rng.random(200) < 0.3, rng.random(200) < 0.3
    wrong |= inside & (rng.random(200) < 0.2)
    measure = Measure(base=np.ones(200, dtype=bool), loss=wrong.astype(float))
    claim = Claim(measure="fpr", inside=inside)
    ((_, p),) = confirm([claim], {"fpr": measure}, np.arange(200), rng)
    table = [[np.sum(inside & wrong), np.sum(inside & ~wrong)]]
    table.append([np.sum(~inside & wrong), np.sum(~inside & ~wrong)])
    assert p == pytest.approx(fisher_exact(table, alternative="greater").pvalue, abs=0.02)


@pytest.mark.parametrize("case", ["one label", "constant", "few", "no columns", "regression"])
def test_hard_inputs_give_an_answer_or_a_reason(policy, case):
    from dataclasses import replace

    output, context = cohort(200, 0)
    output, context = {
        "one label": (replace(output, y=np.ones(200, dtype=np.int8)), context),
        "constant": (replace(output, score=np.full(200, 0.5)), context),
        "few": (cohort(20, 0)[0], None),
        "no columns": (replace(output, attributes=()), None),
        "regression": (replace(output, task="regression"), context),
    }[case]
    result = discover_slices(output, policy, context=context)
    json.dumps(result, allow_nan=False)
    assert result.get("slices") is not None or result["reason"]
    assert not any(one["flagged"] for one in result.get("slices", ()))
