"""Paired differences against brute force, by hand and under the null."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from audits.cohorts import Attribute
from audits.comparison.area_limits import area_limits
from audits.comparison.layout import LayoutMaker
from audits.comparison.pair import METRICS, NUMBER_METRICS, Pair
from audits.comparison.paired import PairedComparison
from audits.comparison.slopes import Slopes

RATES = {
    "tpr": lambda y, d: (y, d),
    "fpr": lambda y, d: (~y, d),
    "tnr": lambda y, d: (~y, ~d),
    "fnr": lambda y, d: (y, ~d),
    "ppv": lambda y, d: (d, y),
    "npv": lambda y, d: (~d, ~y),
    "accuracy": lambda y, d: (y | ~y, d == y),
    "selection_rate": lambda y, d: (y | ~y, d),
}


def make_pair(seed: int = 0, n: int = 120, **changes) -> Pair:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int8)
    base = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + y))), 2)
    candidate = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y))), 2)
    given = {
        "y": y,
        "base": np.clip(base, 0.01, 0.99),
        "candidate": np.clip(candidate, 0.01, 0.99),
        "base_threshold": 0.5,
        "candidate_threshold": 0.6,
        "probabilities": True,
    }
    return Pair(**(given | changes))


def measured(pair: Pair, patients=None, codes=None):
    n = len(pair.y)
    codes = np.zeros(n, np.int32) if codes is None else codes.astype(np.int32)
    sex = Attribute(name="sex", column="sex", kind="demographic", levels=("F", "M"), codes=codes)
    layout = LayoutMaker(["sex"], []).layout(n, patients, [sex])
    paired = PairedComparison(pair, layout)
    return [paired.measure(split) for split in layout.splits]


def everybody(pair: Pair, metric: str, patients=None):
    return measured(pair, patients)[0].changes[metric][0]


def influence(metric: str, pair: Pair, rows, side: str):
    """Value and influence by the textbook, row by row; rows outside have none."""
    y, score = pair.y[rows] == 1, getattr(pair, side)[rows].astype(float)
    threshold = getattr(pair, f"{side}_threshold")
    phi = np.zeros(len(pair.y))
    if metric == "auroc":
        kernel = (score[y][:, None] > score[~y]) + 0.5 * (score[y][:, None] == score[~y])
        value = kernel.mean()
        own = np.empty(len(y))
        n1, n0 = y.sum(), (~y).sum()
        own[y] = (kernel.mean(axis=1) - value) / np.sqrt(n1 * (n1 - 1))
        own[~y] = (kernel.mean(axis=0) - value) / np.sqrt(n0 * (n0 - 1))
    elif metric in RATES:
        below, top = RATES[metric](y, score >= threshold)
        value = (below & top).sum() / below.sum()
        own = np.where(below, top - value, 0) / below.sum()
    elif metric == "oe_ratio":
        value = y.sum() / score.sum()
        own = (y - value * score) / score.sum()
    else:
        odds = threshold / (1 - threshold)
        gain = (score >= threshold) * np.where(y, 1.0, -odds)
        row = (score - y) ** 2 if metric == "brier" else gain
        value, own = row.mean(), (row - row.mean()) / len(row)
    phi[rows] = own
    return value, phi


def by_patient(phi, patients):
    codes = np.arange(len(phi)) if patients is None else patients
    return np.bincount(codes, phi)


@pytest.mark.parametrize("kind", ["rows", "repeated", "shared"])
@pytest.mark.parametrize("metric", [m for m in METRICS if m != "calibration_slope"])
def test_changes_of_groups_equal_brute_force(metric: str, kind: str):
    rng = np.random.default_rng(4)
    n = 300
    pair = make_pair(4, n=n)
    patients = None if kind == "rows" else rng.integers(0, 100, n)
    codes = rng.integers(0, 2, n) if kind != "repeated" else rng.integers(0, 2, 100)[patients]
    split = measured(pair, patients, codes)[1]
    for group in (0, 1):
        change = split.changes[metric][group]
        parts = []
        for rows in (codes == group, codes != group):
            (a, of_a), (b, of_b) = (influence(metric, pair, rows, s) for s in ("base", "candidate"))
            parts.append((b - a, of_b - of_a))
        (own, of_own), (rest, of_rest) = parts
        assert change.delta.value == pytest.approx(own, abs=1e-12)
        assert change.se == pytest.approx(
            np.sqrt(np.sum(by_patient(of_own, patients) ** 2)),
            rel=1e-9 if metric != "auroc" or kind == "rows" else 0.02,
        )
        assert change.did.value == pytest.approx(own - rest, abs=1e-12)
        half = (change.did.high - change.did.low) / 2
        assert half / stats.norm.ppf(0.975) == pytest.approx(
            np.sqrt(np.sum(by_patient(of_own - of_rest, patients) ** 2)),
            rel=1e-9 if metric != "auroc" or kind == "rows" else 0.02,
        )


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("metric", ["tpr", "ppv", "brier", "auroc"])
def test_a_declared_reference_takes_the_place_of_the_rest(metric: str, repeated: bool):
    rng = np.random.default_rng(6)
    n = 360
    pair = make_pair(6, n=n)
    patients = rng.integers(0, 120, n) if repeated else None
    codes = rng.integers(0, 3, n).astype(np.int32)
    band = Attribute(
        name="band", column="band", kind="demographic", levels=("a", "b", "c"), codes=codes
    )
    layout = LayoutMaker(["band"], [], {"band": "b"}).layout(n, patients, [band])
    split = layout.splits[1]
    found = PairedComparison(pair, layout).measure(split).changes[metric]
    changes = []
    for group in range(3):
        sides = [influence(metric, pair, codes == group, side) for side in ("base", "candidate")]
        changes.append((sides[1][0] - sides[0][0], sides[1][1] - sides[0][1]))
    for group in (0, 2):
        did = found[group].did
        assert did.value == pytest.approx(changes[group][0] - changes[1][0], abs=1e-12)
        flow = by_patient(changes[group][1] - changes[1][1], patients)
        assert (did.high - did.low) / 2 / stats.norm.ppf(0.975) == pytest.approx(
            np.sqrt(flow @ flow), rel=1e-9 if metric != "auroc" or not repeated else 0.02
        )
    assert found[1].did.value is None
    assert found[1].did.reason == "it is the reference group"


@pytest.mark.parametrize("seed", range(3))
def test_paired_delong_equals_its_definition(seed: int):
    pair = make_pair(seed)
    up, down = pair.y == 1, pair.y == 0

    def kernel(score):
        gap = score[up][:, None] - score[down][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    a, b = kernel(pair.candidate), kernel(pair.base)
    v10 = np.cov(a.mean(axis=1), b.mean(axis=1)) / up.sum()
    v01 = np.cov(a.mean(axis=0), b.mean(axis=0)) / down.sum()
    total = v10 + v01
    variance = total[0, 0] + total[1, 1] - 2 * total[0, 1]
    found = everybody(pair, "auroc")
    delta = a.mean() - b.mean()
    assert found.delta.value == pytest.approx(delta, abs=1e-12)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(delta) / np.sqrt(variance)), abs=1e-12)


def test_many_rows_read_at_bins_tell_what_all_rows_tell(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(1)
    n = 6_000
    pair = make_pair(1, n=n)
    codes = rng.integers(0, 2, n)
    for patients in (None, rng.integers(0, 3_000, n)):
        exact = measured(pair, patients, codes)[1].changes["auroc"]
        monkeypatch.setattr("audits.comparison.areas.EXACT_ROWS", 100)
        binned = measured(pair, patients, codes)[1].changes["auroc"]
        monkeypatch.undo()
        for one, other in zip(exact, binned, strict=True):
            assert other.did.value == pytest.approx(one.did.value, abs=1e-12)
            assert other.did.low == pytest.approx(one.did.low, abs=2e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("repeated", [False, True])
def test_identical_versions_differ_by_nothing(metric: str, repeated: bool):
    pair = make_pair()
    same = make_pair(candidate=pair.base, candidate_threshold=0.5)
    patients = np.arange(120) // 3 if repeated else None
    codes = np.arange(120) % 2
    for split in measured(same, patients, codes):
        for found in split.changes[metric]:
            assert found.delta.value == 0
            assert found.p == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_swapping_the_versions_turns_the_sign(metric: str):
    pair, patients = make_pair(3), np.random.default_rng(3).integers(0, 40, 120)
    back = Pair(
        y=pair.y,
        base=pair.candidate,
        candidate=pair.base,
        base_threshold=pair.candidate_threshold,
        candidate_threshold=pair.base_threshold,
        probabilities=True,
    )
    there, again = everybody(pair, metric, patients), everybody(back, metric, patients)
    assert there.delta.value == pytest.approx(-again.delta.value, abs=1e-9)
    assert there.p == pytest.approx(again.p, abs=1e-9)
    assert there.delta.low == pytest.approx(-again.delta.high, abs=1e-9)


def test_repeated_rows_of_a_patient_add_no_certainty():
    single = make_pair(1, n=150)
    repeated = make_pair(
        1,
        y=np.tile(single.y, 4),
        base=np.tile(single.base, 4),
        candidate=np.tile(single.candidate, 4),
    )
    for metric in ("tpr", "accuracy"):
        one = everybody(single, metric)
        four = everybody(repeated, metric, np.tile(np.arange(150), 4))
        assert four.p == pytest.approx(one.p, abs=1e-12)
        assert four.delta.low == pytest.approx(one.delta.low, abs=1e-6)
        assert four.delta.deff == pytest.approx(4.0)


def test_scores_beyond_probabilities_are_ranks():
    pair = make_pair(probabilities=False)
    far = make_pair(
        base=pair.base * 40 - 7,
        candidate=np.exp(5 * pair.candidate),
        base_threshold=0.5 * 40 - 7,
        candidate_threshold=float(np.exp(5 * 0.6)),
        probabilities=False,
    )
    for metric in METRICS:
        one, other = everybody(pair, metric), everybody(far, metric)
        if metric in {"brier", "oe_ratio", "calibration_slope", "net_benefit"}:
            assert other.delta.reason == "scores are not probabilities"
        else:
            assert other.delta.value == pytest.approx(one.delta.value, abs=1e-12)
            assert other.p == pytest.approx(one.p, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_computed_is_undefined_with_a_reason(metric: str):
    pair = make_pair(y=np.zeros(120, dtype=np.int8), base_threshold=None, probabilities=False)
    found = everybody(pair, metric)
    assert found.delta.value is None
    assert found.delta.reason
    assert found.p is None


@pytest.mark.parametrize("n", [400, 20_000])
def test_the_change_of_the_slope_is_that_of_two_logistic_regressions(n: int):
    from sklearn.linear_model import LogisticRegression

    pair = make_pair(2, n=n)
    layout = LayoutMaker([], []).layout(n, None, [])
    found = Slopes(layout, pair.y == 1, (pair.base, pair.candidate)).change(layout.everybody)
    slopes, flows = [], []
    for score in (pair.base, pair.candidate):
        x = np.log(score / (1 - score))[:, None]
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        fit = model.fit(x, pair.y)
        slopes.append(fit.coef_[0, 0])
        mean = fit.predict_proba(x)[:, 1]
        design = np.column_stack([np.ones(n), x[:, 0]])
        bread = np.linalg.inv((design * (mean * (1 - mean))[:, None]).T @ design)
        flows.append((design * (pair.y - mean)[:, None]) @ bread[:, 1])
    assert found.values[:, 0] == pytest.approx(slopes, abs=1e-9)
    sandwich = np.sum((flows[1] - flows[0]) ** 2) * n / (n - 1)
    assert found.variance[0] == pytest.approx(sandwich, rel=1e-6)


def test_slopes_of_bins_are_those_of_the_rows(monkeypatch: pytest.MonkeyPatch):
    from audits.comparison import slopes

    rng = np.random.default_rng(5)
    n = 12_000
    y = (rng.random(n) < 0.3).astype(np.int8)
    # From 0 to 1 themselves, and a last group whose scores part the classes.
    scores = [1 / (1 + np.exp(-(4 * rng.normal(size=n) + y - 1))) for _ in range(2)]
    scores[0][:2], scores[1][2:4] = (0.0, 1.0), (1.0, 0.0)
    group = rng.integers(0, 4, n)
    scores[1][group == 3] = np.where(y[group == 3] == 1, 0.9, 0.1)
    grouping = Attribute(
        name="g", column="g", kind="demographic", levels=tuple("abcd"), codes=group.astype(np.int32)
    )
    layout = LayoutMaker(["g"], []).layout(n, None, [grouping])
    found = []
    for few in (slopes.FEW_ROWS, n):
        monkeypatch.setattr(slopes, "FEW_ROWS", few)
        measured = Slopes(layout, y == 1, (scores[0], scores[1]))
        found.append([measured.change(split) for split in layout.splits])
    for binned, by_rows in zip(*found, strict=True):
        np.testing.assert_allclose(binned.values, by_rows.values, rtol=1e-9)
        np.testing.assert_allclose(binned.variance, by_rows.variance, rtol=1e-6)
    assert np.isnan(found[0][1].values[1]).tolist() == [False, False, False, True]


@pytest.mark.parametrize("task", NUMBER_METRICS)
def test_changes_of_numbers_are_those_of_the_jackknife(task: str):
    rng = np.random.default_rng(8)
    n = 80
    y = rng.integers(0, 4, n)
    scores = [np.clip(y + rng.integers(-1, 2, n), 0, 3).astype(float) for _ in range(2)]
    given = {"base": scores[0], "candidate": scores[1], "base_threshold": None}
    given |= {"candidate_threshold": None, "probabilities": False, "task": task}

    def kappa(truth, score):
        table = np.zeros((4, 4))
        np.add.at(table, (truth, score.astype(int)), 1)
        weight = (np.arange(4)[:, None] - np.arange(4)) ** 2
        chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        return 1 - (weight * table).sum() / (weight * chance).sum()

    formulas = {
        "mae": lambda truth, score: np.abs(score - truth).mean(),
        "bias": lambda truth, score: (score - truth).mean(),
        "kappa_w": kappa,
    }
    for metric in NUMBER_METRICS[task]:
        found = everybody(Pair(y=y, **given), metric)

        def change(keep, of=formulas[metric]):
            return of(y[keep], scores[1][keep]) - of(y[keep], scores[0][keep])

        rows = np.arange(n)
        assert found.delta.value == pytest.approx(change(rows), abs=1e-12)
        left = np.array([change(np.delete(rows, at)) for at in rows])
        jackknife = np.sqrt((n - 1) / n * np.sum((left - left.mean()) ** 2))
        assert found.se == pytest.approx(jackknife, rel=0.03)


def test_every_sign_of_every_patient_gives_the_exact_p():
    pair, patients = make_pair(5, n=18), np.arange(18) // 3
    found = everybody(pair, "accuracy", patients)
    truth = pair.y == 1
    right = [(pair.base >= 0.5) == truth, (pair.candidate >= 0.6) == truth]
    net = np.bincount(patients, right[1].astype(int) - right[0].astype(int))
    signs = np.array(list(itertools.product([1, -1], repeat=6)))
    exact = np.mean(np.abs(signs @ np.abs(net)) >= abs(net.sum()))
    assert found.p == pytest.approx(exact, abs=1e-12)


def test_limits_of_an_area_solve_their_equation():
    """The limit is where the change is t errors away, the error taken there."""
    areas = np.array([[0.85, 0.7], [0.80, 0.72]])
    spread = np.array([[4e-4, 1e-3], [5e-4, 9e-4]])
    variance = np.array([2e-4, 6e-4])
    (low,), (high,) = area_limits(areas, spread, variance, np.array([[1.7, 2.0]]))
    delta = areas[1] - areas[0]
    common = (spread.sum(axis=0) - variance) / 2
    for limit, quantile in ((low, [1.7, 2.0]), (high, [1.7, 2.0])):
        for at in (0, 1):
            moved = limit[at] - delta[at]
            a = areas[0, at] + moved * (common[at] - spread[0, at]) / variance[at]
            b = areas[1, at] + moved * (spread[1, at] - common[at]) / variance[at]
            assert b - a == pytest.approx(limit[at], abs=1e-9)
            grown = np.array(
                [
                    new * (1 - new) / (old * (1 - old))
                    for new, old in zip((a, b), areas[:, at], strict=True)
                ]
            )
            there = np.array([[spread[0, at], common[at]], [common[at], spread[1, at]]]) * np.outer(
                grown, grown
            )
            error = np.sqrt(there[0, 0] + there[1, 1] - 2 * there[0, 1])
            plain = quantile[at] * np.sqrt(variance[at])
            assert abs(moved) == pytest.approx(max(quantile[at] * error, plain), abs=1e-6)
    same = area_limits(areas[:, :1], spread[:, :1], np.array([1e-12]), np.array([[2.0]]))
    assert same[1][0, 0] - same[0][0, 0] == pytest.approx(4e-6, rel=1e-3)
