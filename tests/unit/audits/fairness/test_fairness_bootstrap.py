"""The bootstrap of collapsed patients has the law of the bootstrap of patients."""

from __future__ import annotations

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.bootstrap import bootstrap_estimates, patient_profiles, resample_rates
from audits.fairness.families import marginal
from audits.fairness.frame import build_frame
from audits.policy import load_policy


def prepared(output):
    frame = build_frame(output)
    return frame, marginal(frame, output.attributes[1], declared=True), frame.score >= 0.5


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_profiles_hold_every_row(make_output, clustered, shared):
    frame, family, predicted = prepared(make_output(clustered=clustered, shared=shared))
    profiles = patient_profiles(frame, family, predicted)
    assert profiles.counts.sum() == frame.patients
    total = profiles.cells.T.dot(profiles.counts.astype(float))
    cell = family.code * 4 + frame.positive * 2 + predicted
    assert np.array_equal(total, np.bincount(cell, minlength=family.size * 4))


def test_spread_equals_naive_resampling(make_output):
    output = make_output(600)
    frame, family, predicted = prepared(output)
    drawn = resample_rates(patient_profiles(frame, family, predicted), replicates=1500)["tpr"]
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(frame.patient == who) for who in range(frame.patients)]
    naive = []
    for _ in range(600):
        picked = np.concatenate([rows[who] for who in rng.integers(0, len(rows), len(rows))])
        k = np.bincount(family.code[picked], frame.positive[picked] & predicted[picked], 4)
        n = np.bincount(family.code[picked], frame.positive[picked], 4)
        naive.append(k / n)
    assert drawn.std(axis=0) == pytest.approx(np.std(naive, axis=0), rel=0.15)
    assert drawn.mean(axis=0) == pytest.approx(np.mean(naive, axis=0), abs=0.01)


def test_it_agrees_with_the_analytic_interval_in_large_groups(make_output):
    output = make_output(6000)
    frame, family, predicted = prepared(output)
    boot = bootstrap_estimates(frame, family, predicted)
    result = audit_fairness([output], load_policy(None, groups=["age"])).outputs[0]
    groups = [group for group in result.groups if "age" in group.attributes]
    for index, group in enumerate(groups):
        for name in ("tpr", "accuracy", "ppv"):
            first, second = boot[name][index], group.metrics[name]
            assert (first.value, first.k, first.n) == (second.value, second.k, second.n)
            assert first.high - first.low == pytest.approx(second.high - second.low, rel=0.25)


def test_undefined_replicates_are_counted_out_and_said(make_attribute):
    output = ScoredOutput(
        name="y",
        y=np.asarray([1, 0, 0, 0, 0, 0]),
        score=np.asarray([0.9, 0.1, 0.9, 0.1, 0.2, 0.3]),
        attributes=(make_attribute("h", "a", [0] * 6), make_attribute("g", "ab", [0] * 5 + [1])),
    )
    frame, family, predicted = prepared(output)
    found = bootstrap_estimates(frame, family, predicted, replicates=200)
    assert found["tpr"][0].low is None
    assert found["tpr"][0].reason == "no interval: no replicate differs"
    assert found["tpr"][1].value is None
    drawn = resample_rates(patient_profiles(frame, family, predicted), replicates=200)
    assert np.isnan(drawn["tpr"][:, 0]).any()
