"""The short form of the validity suite (`make validity` runs the long one)."""

from __future__ import annotations

import json

import pytest

from benchmarks.validity import coverage, promises, tallies
from benchmarks.validity.__main__ import RESULTS


def test_limits_are_the_99_percent_binomial_ones():
    assert tallies.limit(2000) <= 123
    assert tallies.limit(200) <= 18


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_promise_a_fair_audits_raise_no_disparity(clustered):
    """100 fair audits a setting, 200 in all: at most 18 show any disparity in the whole test."""
    found = promises.promise_a(2_000, clustered=clustered, audits=100)
    assert found["any_disparity"] <= tallies.limit(100), found


@pytest.mark.slow
def test_promise_b_gaps_within_the_margin_are_not_confirmed():
    found = promises.promise_b(4_000, clustered=True, audits=60)
    assert found["confirmed"] <= tallies.limit(60), found


def test_rate_intervals_cover_by_enumeration():
    found = coverage.enumerated_rates()
    assert 0.93 <= found["mean"] <= 0.97
    assert found["lowest"] >= 0.88


def test_portions_of_a_part_add_up():
    whole = coverage.clustered_rates(patients=30, rate=0.8, audits=4)
    parts = [
        coverage.clustered_rates(patients=30, rate=0.8, audits=2, first=first) for first in (0, 2)
    ]
    assert tallies.add(*parts) == whole
    assert tallies.conclude({"audits": 4, **whole})["tpr"]["coverage"] > 0.9


def test_the_committed_intervals_cover_as_promised():
    """Mean coverage of each kind of interval over its cells within [.93, .97], none below .88."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    found = tallies.coverage_means(kept)
    assert {"tpr", "auroc", "bootstrap"} <= set(found)
    assert found["auroc"]["cells"] == 32
    for kind in ("tpr", "auroc", "bootstrap"):
        assert 0.93 <= found[kind]["mean"] <= 0.97, kind
        assert found[kind]["lowest"] >= 0.88, kind


@pytest.mark.parametrize("rows", [2_000, 10_000, 100_000])
@pytest.mark.parametrize("kind", ["4 images a patient", "independent rows"])
def test_the_committed_promises_hold(rows, kind):
    """Promise A in 2,000 audits, and B in as many as were counted, within the binomial limit."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    fair, within = kept[f"A {rows} {kind}"], kept[f"B {rows} {kind}"]
    assert fair["audits"] == 2_000
    assert fair["any_disparity"] <= 123
    assert within["confirmed"] <= tallies.limit(within["audits"])
