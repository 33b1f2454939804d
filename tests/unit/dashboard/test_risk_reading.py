"""Log-odds that people read as risk: marks of an axis, points of an effect."""

from __future__ import annotations

from itertools import pairwise

import pytest

from audits.fairness.observed_risk import ObservedRate
from audits.risk_points import risk_of, risk_points
from dashboard.charts.risk_axis import risk_ticks
from dashboard.charts.waterfall import Effect, Waterfall


@pytest.mark.parametrize(
    ("low", "high"), [(-3.9, -2.9), (-0.2, 0.2), (-8.0, 9.0), (2.0, 2.05), (-6.0, -1.0)]
)
def test_marks_are_risks_inside_the_axis_and_apart(low, high):
    ticks = risk_ticks(low, high)
    places = ticks["tickvals"]
    assert len(places) >= 2
    assert places == sorted(places)
    assert all(low <= place <= high for place in places)
    gaps = [b - a for a, b in pairwise(places)]
    assert min(gaps) >= 0.08 * (high - low)
    for place, text in zip(places, ticks["ticktext"], strict=True):
        assert float(text.split(" %")[0]) == pytest.approx(100 * risk_of(place), rel=1e-2)


def test_points_are_what_the_risk_loses_without_an_effect():
    assert risk_points(1.2, -2.0) == pytest.approx(risk_of(-2.0) - risk_of(-3.2))
    assert risk_points(0.0, -2.0) == 0
    assert risk_points(1.2, None) is None


def test_both_ends_of_the_way_are_told_as_risks_and_never_meet():
    chart = Waterfall(
        base=-1.0, score=-1.0001, effects=(Effect(label="a", effect=-0.0001),), risks=True
    )
    first, last = chart.figure()["layout"]["annotations"]
    assert (first["text"], last["text"]) == (
        "background 26.9 % (−1.000)",
        "patient 26.9 % (−1.000)",
    )
    assert (first["yanchor"], last["yanchor"]) == ("bottom", "top")


def _rate(predicted, *, declared=False):
    return ObservedRate(
        rate=0.3, low=0.2, high=0.4, n=200, patients=150, risks=(0.1, 0.6), split=None,
        prevalence=0.25, declared=declared, predicted=predicted,
    )  # fmt: skip


def test_a_range_of_risks_that_is_off_is_said():
    assert "too low here" in _rate(0.1).counted
    assert "too high here: on average it predicted 50.0 %" in _rate(0.5).counted
    assert "risks are too" not in _rate(0.3).counted
    assert "risks are too" not in _rate(0.1, declared=True).counted
