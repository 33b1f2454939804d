"""Uno's C, and AUC, Brier score and O/E at a horizon: against definitions and scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest

from audits import audit_predictions
from audits.errors import AuditError
from audits.fairness.survival.censoring import censoring_curve
from audits.fairness.survival.concordance import uno_c
from audits.fairness.survival.horizon import auc_at, brier_at, observed_expected_at
from audits.fairness.survival.pairs import ranked_pairs

from .conftest import follow_up

# scikit-survival 0.28.0 on these 400 patients (concordance_index_ipcw with and without tau,
# cumulative_dynamic_auc, brier_score and kaplan_meier_estimator at 8.25).
PUBLISHED = {
    "c": 0.6105314600838923,
    "c_until": 0.6202563840873256,
    "auc": 0.68258131,
    "brier": 0.26722134,
    "surviving": 0.4251076522504501,
}
HORIZON = 8.25


def patients(*, tied=False):
    rng = np.random.default_rng(5)
    linear = rng.normal(size=400)
    event = rng.exponential(np.exp(-linear) * 10)
    left = rng.exponential(14, size=400)
    score = np.round(linear + rng.normal(size=400), 1)
    time = np.minimum(event, left)
    time = np.ceil(time * 2) / 2 if tied else time
    return time, event <= left, score, 1 / (1 + np.exp(-(score - 0.5)))


def test_the_numbers_are_those_of_scikit_survival():
    time, event, score, risk = patients()
    rows = np.arange(400)
    assert uno_c(time, event, score, rows, until=None).value == pytest.approx(PUBLISHED["c"])
    until = uno_c(time, event, score, rows, until=HORIZON)
    assert until.value == pytest.approx(PUBLISHED["c_until"], abs=1e-12)
    area = auc_at(time, event, score, rows, horizon=HORIZON)
    assert area.value == pytest.approx(PUBLISHED["auc"], abs=5e-9)
    brier = brier_at(time, event, risk, rows, horizon=HORIZON)
    assert brier.value == pytest.approx(PUBLISHED["brier"], abs=5e-9)
    ratio = observed_expected_at(time, event, risk, rows, horizon=HORIZON)
    assert ratio.value == pytest.approx((1 - PUBLISHED["surviving"]) / risk.mean(), abs=1e-12)


def by_definition(time, event, score, until):
    """Return Uno's C pair by pair; an event comes before a censoring at the same time."""
    free = censoring_curve(time, event, np.ones(len(time))).before(time)
    right = total = 0.0
    for i in np.flatnonzero(event & (time < until)):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        wins = (score[later] < score[i]) + 0.5 * (score[later] == score[i])
        right += wins.sum() / free[i] ** 2
        total += later.sum() / free[i] ** 2
    return right / total


@pytest.mark.parametrize("tied", [False, True])
def test_c_is_that_of_every_pair(tied):
    time, event, score, _ = patients(tied=tied)
    point = uno_c(time, event, score, np.arange(400), until=HORIZON)
    assert point.value == pytest.approx(by_definition(time, event, score, HORIZON), abs=1e-12)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", ["c", "auc", "brier", "oe"])
def test_the_influence_of_a_row_is_the_derivative_in_its_weight(name, tied):
    time, event, score, risk = patients(tied=tied)
    found = {
        "c": lambda r: uno_c(time[r], event[r], score[r], r, until=HORIZON),
        "auc": lambda r: auc_at(time[r], event[r], score[r], r, horizon=HORIZON),
        "brier": lambda r: brier_at(time[r], event[r], risk[r], r, horizon=HORIZON),
        "oe": lambda r: observed_expected_at(time[r], event[r], risk[r], r, horizon=HORIZON),
    }[name]
    rows, copies = np.arange(400), 60
    influence = found(rows).influence
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    many = np.repeat(rows, copies)
    for row in (3, 17, 200, 333):
        more, less = found(np.append(many, row)), found(np.delete(many, row * copies))
        slope = (more.value - less.value) * copies / 2
        assert influence[row] == pytest.approx(slope, abs=2e-6)


def test_pairs_are_counted_without_looking_at_each():
    rng = np.random.default_rng(0)
    tied = rng.integers(0, 40, 200), rng.integers(0, 9, 200).astype(float)
    apart = rng.permutation(77), rng.random(77)
    for rank, score in (tied, apart, (np.zeros(1, dtype=int), np.zeros(1))):
        weight = rng.random(len(rank))
        later = rank[None, :] > rank[:, None]
        below = (score[None, :] < score[:, None]) + 0.5 * (score[None, :] == score[:, None])
        outranks, outranked = ranked_pairs(rank, score, weight)
        assert outranks == pytest.approx((later * below).sum(axis=1))
        assert outranked == pytest.approx((later * below).T @ weight)


def audited(frame, **more):
    asked = {"task": "survival", "time": "days", "event": "died", "score": "risk", "horizon": 365}
    return audit_predictions(frame, groups=["sex"], **(asked | more)).to_dict()


def test_repeated_patients_widen_every_interval():
    frame = follow_up(300)
    twice = frame.loc[np.repeat(frame.index, 4)].reset_index(drop=True)
    twice["pid"] = np.repeat(np.arange(300), 4)
    alone, again = (
        audited(f, patient=p)["outputs"][0]["overall"]["metrics"]
        for f, p in ((frame, None), (twice, "pid"))
    )
    for metric in ("c_uno", "auc_t", "brier_t", "oe_t"):
        assert again[metric]["deff"] == pytest.approx(4, rel=1e-6)
        assert again[metric]["value"] == pytest.approx(alone[metric]["value"], rel=0.02)
        widths = [m[metric]["high"] - m[metric]["low"] for m in (alone, again)]
        assert widths[1] == pytest.approx(widths[0], rel=0.05)


def test_a_worse_ranked_group_is_a_disparity_and_a_like_one_is_not():
    frame = follow_up(6000, seed=8)
    worse = frame.assign(
        risk=frame["risk"].where(
            frame["sex"] == "M", frame["risk"].sample(frac=1, random_state=0).to_numpy()
        )
    )
    for given, verdict in ((frame, "equivalent"), (worse, "disparity")):
        compared = audited(given)["outputs"][0]["comparisons"]
        (area,) = [c for c in compared if c["metric"] == "auc_t"]
        assert area["verdict"] == verdict
    assert (area["strength"], area["worse"]) == ("confirmed", "group")
    assert [c["verdict"] for c in compared if c["metric"] == "c_uno"] == [None]


def test_scores_that_only_rank_have_no_risk_to_judge():
    found = audited(follow_up(), score="linear", space="log_hazard")["outputs"][0]
    metrics = found["overall"]["metrics"]
    assert metrics["c_uno"]["value"] > 0.5
    for metric in ("brier_t", "oe_t"):
        assert metrics[metric]["value"] is None
        assert "not probabilities" in metrics[metric]["reason"]
    assert {c["metric"] for c in found["comparisons"] if c["declared"]} == {"auc_t"}


@pytest.mark.parametrize(
    ("change", "metric", "words"),
    [
        ({"died": 0}, "c_uno", "no events"),
        ({"days": 100.0}, "auc_t", "nobody is followed"),
        ({"days": 100.0}, "brier_t", "nobody is followed"),
        ({"risk": 0.0}, "oe_t", "no expected events"),
    ],
)
def test_undefined_is_null_with_a_reason(change, metric, words):
    found = audited(follow_up(80).assign(**change))["outputs"][0]["overall"]["metrics"][metric]
    assert found["value"] is None
    assert words in found["reason"]


def test_an_unnamed_horizon_is_the_median_event_and_a_finding():
    frame = follow_up()
    found = audited(frame, horizon=None)
    assert found["outputs"][0]["horizon"]["value"] == frame.loc[frame["died"] == 1, "days"].median()
    assert any("No horizon was named" in f["message"] for f in found["findings"])
    policy = audited(frame, horizon=None, policy={"horizons": {"died": 200}})
    assert policy["outputs"][0]["horizon"]["value"] == 200


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"time": None, "label": "died", "event": None}, "--time"),
        ({"horizon": -1}, "above 0"),
        ({"label": "age"}, "not the event"),
        ({"policy": {"margin": {"oe_t": 0.5}}}, "ratio above 1"),
    ],
)
def test_bad_input_is_one_sentence(more, words):
    with pytest.raises(AuditError, match=words):
        audited(follow_up(80), **more)


def test_a_negative_time_is_named():
    with pytest.raises(AuditError, match="negative or infinite, first in row 4"):
        audited(follow_up(80).assign(days=lambda f: f["days"].where(f.index != 4, -1)))


def test_rows_without_a_time_are_skipped_by_name():
    frame = follow_up(200)
    frame.loc[:9, "days"] = np.nan
    found = audited(frame, case_id="case_id")
    assert len(found["skipped"]) == 10
    assert "time 'days'" in found["skipped"][0]["reason"]
    assert found["outputs"][0]["overall"]["n"] == 190
