"""Observed rates by predicted risk: big enough bins, clustered intervals, another prevalence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from audits.fairness.risk_bins import at_prevalence, closest, risk_bins


@pytest.fixture
def sample():
    rng = np.random.default_rng(4)
    risk = rng.random(3000)
    return risk, (rng.random(3000) < risk).astype(np.int64)


def test_bins_hold_every_case_once_and_agree_with_a_plain_wilson_interval(sample):
    risk, label = sample
    bins = risk_bins(risk, label)
    assert sum(one.observed.n for one in bins) == 3000
    assert sum(one.observed.k for one in bins) == label.sum()
    for one in bins:
        at = (risk >= one.low) & (risk <= one.high)
        assert (one.observed.k, one.observed.n) == (label[at].sum(), at.sum())
        plain = binomtest(one.observed.k, one.observed.n).proportion_ci(method="wilson")
        # The design effect of single patients is 1, up to the n - 1 of nobody here.
        assert (one.observed.low, one.observed.high) == pytest.approx(plain, abs=1e-9)


def test_a_bin_has_fifty_patients_even_where_risks_tie_or_patients_repeat(sample):
    risk, label = sample
    patients = np.arange(3000) // 30  # a hundred patients
    tied = np.round(risk, 1)
    for bins in (risk_bins(risk, label, patients), risk_bins(tied, label)):
        assert bins
        assert all(one.observed.n_patients >= 50 for one in bins)
    highs = [one.high for one in risk_bins(tied, label)]
    lows = [one.low for one in risk_bins(tied, label)]
    assert all(high < low for high, low in zip(highs, lows[1:], strict=False))
    assert risk_bins(risk[:40], label[:40]) == ()
    assert closest((), 0.3) is None


def test_patients_who_are_always_alike_widen_the_interval():
    patients = np.repeat(np.arange(200), 5)
    label = (np.arange(200) % 4 == 0).astype(np.int64)[patients]
    (one,) = risk_bins(np.full(1000, 0.25), label, patients)
    plain = binomtest(50, 200).proportion_ci(method="wilson")
    assert one.observed.deff == pytest.approx(5)
    assert (one.observed.low, one.observed.high) == pytest.approx(plain, abs=1e-9)


def test_a_risk_finds_its_bin_and_the_closest_one_outside(sample):
    bins = [{"low": one.low, "high": one.high} for one in risk_bins(*sample)]
    inside = closest(bins, 0.5)
    assert inside["low"] <= 0.5 <= inside["high"]
    assert closest(bins, -1.0) == bins[0]
    assert closest(bins, 2.0) == bins[-1]


def test_another_prevalence_is_bayes_rule():
    sensitivity, false_alarms = 0.8, 0.1
    rates = [p * sensitivity / (p * sensitivity + (1 - p) * false_alarms) for p in (0.5, 0.02)]
    assert at_prevalence(rates[0], 0.5, 0.02) == pytest.approx(rates[1])
