"""Alarms of repeated predictions: found events, alarms per day and lead time."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.errors import AuditError
from audits.fairness.stays.alarms import Stays, alarms_of

from .conftest import hourly

STAYS = {"stay": "stay", "at": "hour", "event": "event_hour", "window": 12, "silence": 6}


def audited(frame, **more):
    asked = {"label": "y", "score": "p", "threshold": 0.3, "patient": "pid", "groups": ["sex"]}
    return audit_predictions(frame, **(asked | {"stays": STAYS} | more)).to_dict()["outputs"][0]


def test_alarms_by_hand():
    # One stay with its event at 20, one without; calls at the hours marked.
    at = np.array([0, 4, 8, 12, 16, 20, 24, 0, 6, 12], dtype=float)
    called = np.array([1, 1, 0, 1, 1, 1, 1, 0, 1, 1], dtype=bool)
    stays = Stays(
        stay=np.array([7] * 7 + [9] * 3),
        at=at,
        event_at=np.array([20.0] * 7 + [np.nan] * 3),
        window=10,
        silence=6,
        unit="h",
    )
    found = alarms_of(stays, called)
    # Heard: 0 (4 is silenced), 12 (16 is silenced) and, in the other stay, 6 and 12.
    assert found.alarms.tolist() == [2, 2]
    assert found.true_alarms.tolist() == [1, 0]
    assert found.event.tolist() == [True, False]
    assert found.found.tolist() == [True, False]
    assert found.lead[0] == 8
    assert np.isnan(found.lead[1])
    assert found.late.tolist() == [2, 0]
    # Watched from 0 to 16 and from 0 to 12, and for the usual four hours after that.
    assert (found.days * 24).tolist() == [20, 16]


def test_the_section_is_that_of_the_definition():
    frame = hourly()
    stays = audited(frame, threshold=0.8)["stays"]
    json.dumps(stays, allow_nan=False)
    before = frame[~(frame["hour"] >= frame["event_hour"])]
    near = before["event_hour"] - before["hour"] <= 12
    events = before[near].groupby("stay")
    hit = events["p"].max() >= 0.8
    sensitivity = stays["overall"]["metrics"]["event_sensitivity"]
    assert (sensitivity["k"], sensitivity["n"]) == (hit.sum(), len(hit))
    assert sensitivity["low"] < sensitivity["value"] < sensitivity["high"]
    assert stays["predictions_after_event"] == len(frame) - len(before)
    assert sum(g["events"] for g in stays["groups"]) == len(hit)
    silent = audited(frame, threshold=0.8, stays=STAYS | {"silence": 0})
    silent = silent["stays"]["overall"]["metrics"]
    days = (before.groupby("stay")["hour"].agg(np.ptp) + 2).sum() / 24
    assert silent["alarms_per_day"]["value"] == pytest.approx((before["p"] >= 0.8).sum() / days)
    first = before[near & (before["p"] >= 0.8)].groupby("stay").first()
    lead = first["event_hour"] - first["hour"]
    assert silent["lead_time"]["value"] == pytest.approx(lead.mean())
    assert silent["median_lead_time"]["value"] == pytest.approx(lead.median())


def test_without_patients_a_stay_is_one_of_its_own():
    frame = hourly(60)
    repeated = audited(pd.concat([frame, frame.assign(stay=frame["stay"] + 1000)]))["stays"]
    once = audited(frame)["stays"]
    widths = [
        s["overall"]["metrics"]["alarms_per_day"]["high"]
        / s["overall"]["metrics"]["alarms_per_day"]["low"]
        for s in (once, repeated)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    alone = audited(frame, patient=None)["stays"]["overall"]
    assert alone["patients"] is None
    assert alone["n"] == 60


def test_all_found_and_none_found_have_an_interval_of_some_width():
    frame = hourly(40)
    for threshold, value in ((0.0, 1.0), (1.0, 0.0)):
        found = audited(frame, threshold=threshold)["stays"]["overall"]["metrics"]
        sensitivity = found["event_sensitivity"]
        assert sensitivity["value"] == value
        assert sensitivity["high"] - sensitivity["low"] > 0.05
    assert found["lead_time"]["value"] is None
    assert found["lead_time"]["reason"] == "no event was warned of"


def test_single_predictions_have_no_alarms_per_day():
    frame = hourly(40).groupby("stay").head(1)
    found = audited(frame)["stays"]["overall"]["metrics"]
    assert found["alarms_per_day"]["value"] is None
    assert "no time between them" in found["alarms_per_day"]["reason"]
    assert found["event_sensitivity"]["reason"] == "no events"


@pytest.mark.parametrize(
    ("stays", "words"),
    [
        ({"stay": "stay"}, "stays.at"),
        (STAYS | {"window": -1}, "stays.window"),
        (STAYS | {"unit": "weeks"}, "stays.unit"),
        (STAYS | {"at": "sex"}, "no number"),
        (STAYS | {"stay": "sty"}, "sty"),
    ],
)
def test_bad_input_is_one_sentence(stays, words):
    with pytest.raises(AuditError, match=words):
        audited(hourly(10), stays=stays)
