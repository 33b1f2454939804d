"""Charts and marks of explanations over time, over text and over several inputs."""

from __future__ import annotations

import re
from itertools import pairwise

import plotly.graph_objects as go
import pytest

from dashboard.charts.modalities import ModalityBar
from dashboard.charts.timeline import Stretch, TimelineChart, Trace
from dashboard.views.case_note import marked_note
from dashboard.views.case_timeline import _stretches


def stretch(start, end, effect):
    return Stretch(start=start, end=end, effect=effect, error=0.01, measured=2)


TRACES = (
    Trace(
        label="Lactate, mmol/L",
        hours=(1.0, 20.0),
        readings=(1.2, 4.0),
        normal=(0.5, 2.0),
        effect=1.9,
        stretches=(stretch(0, 18, -0.1), stretch(18, 24, 2.0)),
    ),
    Trace(
        label="Temperature",
        hours=(),
        readings=(),
        normal=(None, None),
        effect=-0.2,
        stretches=(stretch(0, 24, -0.2),),
    ),
)
CHART = TimelineChart(
    hours=24.0,
    traces=TRACES,
    risk=((1.0, 0.2), (24.0, 0.8)),
    risk_label="Risk so far",
    threshold=0.4,
)


def test_a_timeline_is_a_figure_that_plotly_takes():
    figure = go.Figure(CHART.figure())
    assert len(figure.data) == 3
    rows = [axis for axis in figure.to_dict()["layout"] if axis.startswith("yaxis")]
    assert len(rows) == 3
    domains = sorted(figure.layout[row].domain for row in rows)
    assert all(a[1] <= b[0] for a, b in pairwise(domains))


def test_a_timeline_tells_what_it_shows():
    assert "Lactate, mmol/L 18 to 24 h +2.000" in CHART.alt
    assert "0.20 at first, 0.80 now" in CHART.alt
    assert list(CHART.frame()["Effect"]) == [-0.1, 2.0, -0.2]
    texts = {note["text"] for note in CHART.figure()["layout"]["annotations"]}
    assert "+2.000" in texts  # the sign is written, not only coloured


def test_opened_windows_give_way_to_their_parts():
    def cell(level, start, end, effect):
        return {
            "variable": "a", "level": level, "start": start, "end": end, "effect": effect,
            "se": None, "measured": 1,
        }  # fmt: skip

    cells = [
        cell("variable", 0, 4, 3.0),
        cell("window", 0, 2, 1.0),
        cell("window", 2, 4, 2.0),
        cell("part", 2, 3, 1.5),
        cell("part", 3, 4, 0.5),
    ]
    assert [(s.start, s.end) for s in _stretches(cells, "a")] == [(0, 2), (2, 3), (3, 4)]


def test_modalities_are_drawn_by_size():
    bar = ModalityBar(effects={"Image": 0.2, "Note": -1.5}, unit="logits")
    figure = go.Figure(bar.figure())
    assert list(figure.data[0].x) == [-1.5, 0.2]
    assert bar.alt.startswith("Effect of each input on the score in logits: Note −1.500")


def unit(level, start, end, effect):
    return {
        "level": level, "name": "plan, sentence 1", "start": start, "end": end, "effect": effect,
        "se": 0.0, "negated": False,
    }  # fmt: skip


@pytest.fixture
def note():
    return {
        "units": [
            unit("sentence", 0, 10, 1.0),
            unit("sentence", 10, 24, -0.5),
            unit("token", 0, 4, 0.9),
        ],
        "read_to": 24,
        "negations": [[11, 19]],
    }


def test_a_marked_note_keeps_every_character_and_runs_nothing(note):
    text = "Care <b>x. No fever now. & unread"
    shown = marked_note(text, note)
    bare = re.sub(r"<[^>]+>", "", shown)
    assert bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text
    assert "<b>" not in shown
    assert shown.count("<mark") == 2
    assert "solid" in shown
    assert "dashed" in shown


def test_negations_and_what_is_not_read_are_told_apart(note):
    shown = marked_note("Care of x. No fever now. Unread words.", note)
    assert "overline dotted" in shown
    assert re.search(r'opacity:\.5">[^<]*Unread', shown)
