"""Tests and corrections, against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom, norm
from statsmodels.stats.multitest import multipletests

from audits.fairness.area_contrasts import pearson3_two_sided
from audits.fairness.intervals import mover, wilson
from audits.fairness.significance import benjamini_hochberg, fisher_midp, margin_p_values


def brute_midp(a, n, b, m):
    if n == 0 or m == 0:
        return 1.0
    x = np.arange(max(0, a + b - m), min(n, a + b) + 1)
    pmf = hypergeom.pmf(x, n + m, a + b, n)
    if len(x) == 1:
        return 1.0
    half = pmf[x == a][0] / 2
    return float(min(1.0, 2 * min(pmf[x < a].sum() + half, pmf[x > a].sum() + half)))


def test_midp_fisher_equals_the_sum_over_all_tables():
    rng = np.random.default_rng(3)
    n, m = rng.integers(0, 60, 300), rng.integers(0, 900, 300)
    a, b = rng.binomial(n, rng.random(300)), rng.binomial(m, rng.random(300))
    found = fisher_midp(a, n, b, m)
    expected = [brute_midp(*table) for table in zip(a, n, b, m, strict=True)]
    assert np.allclose(found, expected, rtol=1e-8, atol=1e-300)


def test_midp_is_twice_the_one_sided_fisher_less_the_observed_table():
    found = fisher_midp(np.asarray([12]), np.asarray([40]), np.asarray([300]), np.asarray([500]))
    exact = fisher_exact([[12, 28], [300, 200]], alternative="less").pvalue
    assert found[0] == pytest.approx(2 * exact - hypergeom.pmf(12, 540, 312, 40), rel=1e-9)


def test_midp_in_large_tables_is_the_normal_test():
    k, n = np.asarray([8_100.0]), np.asarray([10_000.0])
    j, m = np.asarray([792_000.0]), np.asarray([990_000.0])
    pooled = (k + j) / (n + m)
    z = (k / n - j / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    assert fisher_midp(k, n, j, m)[0] == pytest.approx(2 * norm.sf(abs(z[0])), rel=0.06)


def test_midp_far_out_is_tiny_and_not_zero():
    p = fisher_midp(np.asarray([0.0]), np.asarray([9e5]), np.asarray([9e5]), np.asarray([9e5]))
    assert 0 < p[0] < 1e-300


def test_benjamini_hochberg_equals_statsmodels():
    """A rank is not an argsort: the defect of a peer."""
    p = np.random.default_rng(0).random(57) ** 2
    assert np.allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-15)
    assert len(benjamini_hochberg(np.zeros(0))) == 0


def test_p_of_the_margin_agrees_with_the_interval():
    rng = np.random.default_rng(1)
    n, m = rng.integers(12, 400, 200).astype(float), rng.integers(200, 4000, 200).astype(float)
    p, r = rng.binomial(n.astype(int), 0.8) / n, rng.binomial(m.astype(int), 0.78) / m
    margin = np.full(200, 0.05)

    def limits(c):
        return mover((p, *wilson(p, n, c)), (r, *wilson(r, m, c)))

    p_margin, p_equivalence = margin_p_values(p - r, margin, limits, None)
    low, high = limits(np.full(200, norm.ppf(0.95)))
    inside = (low > -margin) & (high < margin)
    assert ((p_equivalence < 0.05) == inside).all()
    beyond = (low > margin) | (high < -margin)
    assert ((p_margin < 0.05) == beyond).all()
    assert (p_margin[np.abs(p - r) < margin] >= 0.5).all()


def test_pearson3_is_normal_without_skew_and_lopsided_with():
    z = np.asarray([-3.0, -1.0, 0.5, 2.0])
    assert np.allclose(pearson3_two_sided(z, np.zeros(4)), 2 * norm.sf(np.abs(z)), rtol=5e-3)
    left = pearson3_two_sided(np.asarray([-3.0, 3.0]), np.full(2, -0.5))
    assert left[0] > 2 * norm.sf(3) > left[1]
