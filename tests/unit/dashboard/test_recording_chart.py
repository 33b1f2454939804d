"""Leads of a recording share one scale, with a bar, and their names stand upright."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.charts.recording import Recording

LEADS = ("I", "II", "V1")


def _recording(values, unit="mV"):
    return Recording(
        leads=LEADS,
        values=np.asarray(values, dtype=np.float32),
        rate=100.0,
        unit=unit,
        relevance=None,
        scale=1.0,
    )


def _figure(amplitudes, unit="mV"):
    wave = np.sin(np.linspace(0, 20, 400))
    return _recording([3.0 + a * wave for a in amplitudes], unit).figure()


def test_every_lead_spans_the_same_number_of_millivolts():
    layout = _figure((0.2, 1.5, 0.7))["layout"]
    spans = [np.ptp(layout[name]["range"]) for name in ("yaxis", "yaxis2", "yaxis3")]
    assert spans == pytest.approx([spans[0]] * 3)
    assert spans[0] == pytest.approx(3.0 * 1.05, rel=1e-3)
    assert not any("title" in layout[name] for name in ("yaxis", "yaxis2", "yaxis3"))


def test_the_bar_is_one_millivolt_or_a_round_number():
    layout = _figure((0.2, 1.5, 0.7))["layout"]
    (bar,) = [shape for shape in layout["shapes"] if shape["type"] == "line"]
    assert bar["y1"] - bar["y0"] == pytest.approx(1.0)
    told = [one["text"] for one in layout["annotations"]]
    assert told == [*LEADS, "1 mV"]
    assert all(one["textangle"] == 0 for one in layout["annotations"][:3])
    for half in (0.004, 0.05, 30.0, 2500.0):
        text = _figure((half, half / 2, half), "µV")["layout"]["annotations"][-1]["text"]
        height = float(text.split()[0])
        assert 0.2 <= height / half <= 1.3


def test_a_flat_recording_has_a_scale_too():
    assert _recording(np.zeros((3, 50))).figure()["layout"]["yaxis"]["range"] == [-1.0, 1.0]
