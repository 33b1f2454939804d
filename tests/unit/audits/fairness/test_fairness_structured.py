"""The structured model of intersections: chosen interactions, borrowed strength, peers' LASSO."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from audits.fairness.structured import fit_structured, lasso

CELLS = np.asarray([(a, b, c) for a in range(2) for b in range(5) for c in range(5)])


def simulated(truth, seed):
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.01, 0.3, len(truth))
    return truth + np.sqrt(variances) * rng.normal(size=len(truth)), variances


def test_coordinate_descent_is_scikit_learns_lasso():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 8))
    y = x[:, 0] - 2 * x[:, 3] + rng.normal(size=50)
    for penalty in (2.0, 15.0):
        ours = lasso(x, y[:, None], np.asarray([penalty]))[:, 0]
        peer = Lasso(alpha=penalty / 50, fit_intercept=False, tol=1e-12, max_iter=100_000)
        assert ours == pytest.approx(peer.fit(x, y).coef_, abs=1e-4)
        assert np.array_equal(ours == 0, peer.coef_ == 0)


def test_a_planted_interaction_is_chosen_and_small_cells_borrow():
    planted = (CELLS[:, 1] == 2) & (CELLS[:, 2] == 3)
    truth = 0.3 * CELLS[:, 0] - 0.2 * CELLS[:, 1] - 1.2 * planted
    errors, raw, covered, found = [], [], [], 0
    for seed in range(25):
        y, variances = simulated(truth, seed)
        fit = fit_structured(CELLS, y, variances)
        errors.append(np.mean((fit.value - truth) ** 2))
        raw.append(np.mean((y - truth) ** 2))
        covered.append(np.mean(np.abs(fit.value - truth) <= 1.96 * fit.error))
        found += ((1, 2), (2, 3)) in fit.terms
    assert np.mean(errors) < 0.35 * np.mean(raw)
    assert np.mean(covered) > 0.9
    assert found >= 12  # two cells hold it; where the penalty misses it, they keep their own


def test_an_additive_truth_needs_no_interaction():
    truth = 0.3 * CELLS[:, 0] - 0.2 * CELLS[:, 1]
    terms, p = 0, []
    for seed in range(25):
        fit = fit_structured(CELLS, *simulated(truth, seed))
        terms += len(fit.terms)
        p.append(fit.statistic / fit.df)
    assert terms / 25 < 1.5
    assert np.mean(p) == pytest.approx(1, abs=0.15)


def test_one_cell_is_itself():
    fit = fit_structured(np.asarray([[0, 0], [0, 1]]), np.asarray([0.1, 0.4]), np.ones(2))
    assert fit.value == pytest.approx([0.1, 0.4])
    assert fit.df == 0
