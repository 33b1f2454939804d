"""Limits of proportions, differences and areas: against formulas, and by exact enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binom
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from audits.fairness.intervals import (
    hanley_mcneil,
    jeffreys,
    katz_ratio,
    mover,
    newcombe_auroc,
    wilson,
)

Z = 1.959963984540054


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 7), (5, 10), (93, 100), (100, 100), (3, 40000)])
def test_wilson_equals_statsmodels(k, n):
    expected = proportion_confint(k, n, method="wilson")
    assert np.allclose(wilson(k / n, n, Z), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("k", "n"), [(1, 4), (2, 4), (3, 4), (7, 20)])
def test_jeffreys_are_beta_quantiles(k, n):
    expected = beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
    assert np.allclose(jeffreys(k / n, n), expected, atol=1e-12)


def test_jeffreys_hold_their_estimate_at_the_ends():
    assert jeffreys(0.0, 3)[0] == 0
    assert jeffreys(1.0, 3)[1] == 1
    assert jeffreys(0.0, 3)[1] > 0.4


@pytest.mark.parametrize(
    "counts", [(3, 10, 90, 120), (0, 5, 0, 9), (10, 10, 40, 50), (1, 30, 30, 31)]
)
def test_newcombe_equals_statsmodels(counts):
    k1, n1, k2, n2 = counts
    expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
    p1, p2 = k1 / n1, k2 / n2
    found = mover((p1, *wilson(p1, n1, Z)), (p2, *wilson(p2, n2, Z)))
    assert np.allclose(found, expected, atol=1e-10)


def test_a_shared_part_narrows_the_difference():
    first, second = (0.7, 0.6, 0.8), (0.6, 0.5, 0.7)
    apart, together = mover(first, second), mover(first, second, 0.5)
    assert together[1] - together[0] < apart[1] - apart[0]


def test_katz_ratio_leaves_nothing_over_nothing_undefined():
    ratio, low, high = katz_ratio(0, 10, 0, 10, Z)
    assert np.isnan([ratio, low, high]).all()
    ratio, low, high = katz_ratio(0, 10, 5, 10, Z)
    assert ratio == 0
    assert low == 0 < high
    ratio, low, high = katz_ratio(20, 50, 10, 50, Z)
    half = Z * np.sqrt(0.6 / 20 + 0.8 / 10)
    assert np.allclose([ratio, low, high], [2, 2 * np.exp(-half), 2 * np.exp(half)])


@pytest.mark.parametrize("area", [0.0, 0.3, 0.8, 0.97, 1.0])
def test_newcombe_method_5_inverts_its_score_statistic(area):
    low, high = newcombe_auroc(area, 12, 80, Z)
    assert low < high
    for limit in (low, high):
        if 0 < limit < 1:
            error = Z * np.sqrt(hanley_mcneil(limit, 12, 80))
            assert abs(abs(limit - area) - error) < 1e-6


@pytest.mark.parametrize("n", [5, 10, 20, 50, 100])
@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.8, 0.95])
def test_coverage_of_wilson_by_enumeration(n, p):
    """The published figures: never below .88, whatever n (reference, section 5.4)."""
    k = np.arange(n + 1)
    low, high = wilson(k / n, np.full(n + 1, n), Z)
    covered = binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum()
    assert covered > 0.88
    known = {(5, 0.8): 0.942, (10, 0.95): 0.914, (20, 0.95): 0.925, (50, 0.8): 0.951}
    if (n, p) in known:
        assert round(float(covered), 3) == known[n, p]
