"""Paired differences against brute force, by hand and under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audits.comparison.paired import METRICS, Pair, paired_difference


def make_pair(seed: int = 0, n: int = 120, *, patients: bool = False, **changes) -> Pair:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int8)
    base = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + y))), 2)
    candidate = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y))), 2)
    given = {
        "y": y,
        "base": base,
        "candidate": candidate,
        "base_threshold": 0.5,
        "candidate_threshold": 0.6,
        "probabilities": True,
        "patients": rng.integers(0, n // 3, n) if patients else None,
    }
    return Pair(**(given | changes))


def brute_delong(pair: Pair) -> tuple[float, float]:
    """Difference of AUROCs and its variance by the definition, kernel by kernel."""
    pos, neg = pair.y == 1, pair.y == 0

    def kernel(score):
        gap = score[pos][:, None] - score[neg][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    a, b = kernel(pair.candidate), kernel(pair.base)
    v10 = np.cov(a.mean(axis=1), b.mean(axis=1))
    v01 = np.cov(a.mean(axis=0), b.mean(axis=0))
    total = v10 / pos.sum() + v01 / neg.sum()
    return a.mean() - b.mean(), total[0, 0] + total[1, 1] - 2 * total[0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_paired_delong_equals_brute_force(seed: int):
    pair = make_pair(seed)
    found = paired_difference("auroc", pair)
    delta, variance = brute_delong(pair)
    assert found.delta.value == pytest.approx(delta, abs=1e-12)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(delta) / np.sqrt(variance)), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("patients", [False, True])
def test_identical_versions_differ_by_nothing(metric: str, patients: bool):
    pair = make_pair(patients=patients)
    same = make_pair(patients=patients, candidate=pair.base, candidate_threshold=0.5)
    found = paired_difference(metric, same)
    assert found.delta.value == 0
    assert found.p == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_swapping_the_versions_turns_the_sign(metric: str):
    pair = make_pair(3, patients=True)
    back = Pair(
        y=pair.y,
        base=pair.candidate,
        candidate=pair.base,
        base_threshold=pair.candidate_threshold,
        candidate_threshold=pair.base_threshold,
        probabilities=True,
        patients=pair.patients,
    )
    there, again = paired_difference(metric, pair), paired_difference(metric, back)
    assert there.delta.value == pytest.approx(-again.delta.value, abs=1e-15)
    assert there.p == pytest.approx(again.p, abs=1e-12)
    assert there.delta.low == pytest.approx(-again.delta.high, abs=1e-9)


def test_repeated_rows_of_a_patient_add_no_certainty():
    single = make_pair(1, n=150)
    patients = np.tile(np.arange(150), 4)
    repeated = Pair(
        y=np.tile(single.y, 4),
        base=np.tile(single.base, 4),
        candidate=np.tile(single.candidate, 4),
        base_threshold=0.5,
        candidate_threshold=0.6,
        probabilities=True,
        patients=patients,
    )
    for metric in ("tpr", "accuracy"):
        one, four = paired_difference(metric, single), paired_difference(metric, repeated)
        assert four.p == pytest.approx(one.p, abs=1e-12)
        assert four.delta.low == pytest.approx(one.delta.low, abs=1e-6)
        assert four.delta.deff == pytest.approx(4.0)


@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_computed_is_undefined_with_a_reason(metric: str):
    pair = make_pair(y=np.zeros(120, dtype=np.int8), base_threshold=None, probabilities=False)
    found = paired_difference(metric, pair)
    assert found.delta.value is None
    assert found.delta.reason
    assert found.p is None
