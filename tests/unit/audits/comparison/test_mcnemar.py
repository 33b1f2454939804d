"""McNemar, sign flips and Tango's interval against enumeration, statsmodels and numeric roots."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from audits.comparison.mcnemar import (
    cautious_limits,
    exact_mcnemar,
    sign_flip_p,
    tango_interval,
)


@pytest.mark.parametrize(("gained", "lost"), [(0, 5), (3, 3), (1, 8), (40, 22), (7, 0)])
def test_mcnemar_equals_statsmodels(gained: int, lost: int):
    theirs = mcnemar([[10, gained], [lost, 10]], exact=True).pvalue
    assert exact_mcnemar(gained, lost) == pytest.approx(theirs, abs=1e-12)


def test_no_discordance_is_p_one():
    assert exact_mcnemar(0, 0) == 1.0
    assert sign_flip_p(np.zeros(9, dtype=np.int64)) == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flips_equal_enumeration(differences: list[int]):
    values = np.array(differences, dtype=np.int64)
    observed = abs(values.sum())
    signs = np.array(list(itertools.product([1, -1], repeat=len(values))))
    brute = np.mean(np.abs(signs @ np.abs(values)) >= observed)
    assert sign_flip_p(values) == pytest.approx(brute, abs=1e-12)


def test_large_samples_approach_the_exact_value(monkeypatch: pytest.MonkeyPatch):
    values = np.repeat([1, -1, 2, -2], [1250, 1150, 650, 640])
    limit = sign_flip_p(values)
    monkeypatch.setattr("audits.comparison.mcnemar._EXACT_LIMIT", 10**9)
    assert limit == pytest.approx(sign_flip_p(values), rel=0.02)


def _constrained_z(gained: float, lost: float, n: float, delta: float) -> float:
    """Score statistic with the constrained maximum found numerically instead of in closed form."""
    concordant = n - gained - lost

    def negative(q: float) -> float:
        p = q + delta
        rest = 1 - p - q
        terms = [(gained, p), (lost, q), (concordant, rest)]
        if any(prob <= 0 < count for count, prob in terms):
            return 1e12
        return -sum(count * np.log(max(prob, 1e-300)) for count, prob in terms)

    low, high = max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
    q = optimize.minimize_scalar(negative, bounds=(low, high), method="bounded").x
    variance = n * (2 * q + delta * (1 - delta))
    return (gained - lost - n * delta) / np.sqrt(variance)


@pytest.mark.parametrize(("gained", "lost", "n"), [(12, 2, 44), (5, 4, 30), (1, 9, 60)])
def test_tango_limits_solve_the_score_equation(gained: int, lost: int, n: int):
    z = stats.norm.ppf(0.975)
    low, high = tango_interval(gained, lost, n)
    assert _constrained_z(gained, lost, n, low) == pytest.approx(z, abs=2e-3)
    assert _constrained_z(gained, lost, n, high) == pytest.approx(-z, abs=2e-3)


@pytest.mark.parametrize("pairs", [(0, 0, 30), (10, 0, 10), (0, 10, 10), (0, 0, 1)])
def test_the_interval_is_never_of_zero_width(pairs: tuple[int, int, int]):
    low, high = tango_interval(*pairs)
    assert -1 <= low < high <= 1
    assert low <= (pairs[0] - pairs[1]) / pairs[2] <= high


@pytest.mark.parametrize("n", [10, 17, 24, 30, 60, 80, 150])
def test_non_inferiority_at_the_margin_passes_in_at_most_5_percent(n: int):
    """Every table of n pairs, its chance where the candidate is worse by exactly the margin."""
    margin = 0.05
    lost, gained = (one.ravel() for one in np.indices((n + 1, n + 1)))
    possible = gained + lost <= n
    lost, gained = lost[possible], gained[possible]
    for discordant in (0.001, 0.01, 0.03, 0.06, 0.1, 0.15):
        shares = [discordant, discordant + margin, 1 - 2 * discordant - margin]
        chance = stats.multinomial.pmf(np.stack([gained, lost, n - gained - lost], 1), n, shares)
        kept = chance > 1e-7
        pairs = gained[kept], lost[kept]
        low, high = cautious_limits(*pairs, np.full(kept.sum(), n), level=(0.95, 0.90))
        assert chance[kept][low[1] > -margin].sum() <= 0.05
        # The same the other way round, where fewer is better.
        turned = cautious_limits(*pairs[::-1], np.full(kept.sum(), n), level=(0.95, 0.90))
        np.testing.assert_allclose(turned[1], -low, atol=1e-9)
    assert (low[0] <= low[1] + 1e-12).all()
    plain = tango_interval(*pairs, np.full(kept.sum(), n), level=0.95)
    np.testing.assert_allclose([low[0], high[0]], plain, atol=1e-12)
