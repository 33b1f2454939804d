"""Each chart says in words, in a table and in a figure the same thing."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from dashboard.charts import (
    Agreement,
    CasePair,
    Cell,
    Effect,
    Forest,
    ForestRow,
    GroupMap,
    PairedForest,
    PairedRow,
    Reliability,
    ReliabilityBin,
    Waterfall,
)
from dashboard.charts.paired import Side
from dashboard.charts.waterfall import SHOWN


def row(label, value, verdict="exploratory"):
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    return ForestRow(
        label=label, value=value, low=low, high=high, text=f"{label} text", verdict=verdict
    )


FOREST = Forest(
    metric="Sensitivity",
    unit="percent",
    overall=0.7,
    rows=(row("A", 0.4, "disparity"), row("B", 0.8, "equivalent"), row("C", None)),
)
SIDE = Side(value=0.5, low=0.4, high=0.6, text="50 %")
PAIRED = PairedForest(
    metric="Sensitivity",
    unit="percent",
    base="one",
    candidate="two",
    rows=(PairedRow(label="A", base=SIDE, candidate=SIDE),),
)
MAP = GroupMap(
    metric="Sensitivity",
    unit="percent",
    row_name="Sex",
    column_name="Age",
    overall=0.7,
    cells=(
        Cell(
            row="F",
            column="<40",
            value=0.4,
            low=0.17,
            high=0.69,
            text="40.0 % (17.0 to 69.0), 4 of 10",
            limits="17.0 to 69.0",
            n="4 of 10",
            verdict="disparity",
        ),
        Cell(row="M", column="<40", value=None, text="suppressed", n="suppressed"),
    ),
)
CURVE = Reliability(
    name="nodule",
    bins=(ReliabilityBin(group="F", predicted=0.2, observed=0.4, low=0.3, high=0.5, n=40),),
)
WATERFALL = Waterfall(
    base=-2.0,
    score=-2.0 + sum(0.1 * i * (-1) ** i for i in range(12)),
    effects=tuple(Effect(label=f"v{i}", effect=0.1 * i * (-1) ** i, error=0.01) for i in range(12)),
)
AGREEMENT = Agreement(
    base="one",
    candidate="two",
    thresholds=(0.5, 0.4),
    unchanged=10,
    better=1,
    worse=0,
    pairs=(
        CasePair(case="a", base=0.2, candidate=0.8, change="better"),
        CasePair(case="b", base=0.2, candidate=0.1, change="same"),
    ),
)


@pytest.mark.parametrize("chart", [FOREST, PAIRED, MAP, CURVE, WATERFALL, AGREEMENT])
def test_every_chart_is_told_tabulated_and_drawn(chart):
    assert len(chart.alt) > 40
    assert len(chart.frame()) >= 1
    figure = go.Figure(chart.figure())  # Plotly refuses a name that it does not know
    assert figure.layout.height >= 100
    assert figure.data


def test_a_forest_names_extremes_and_disparities():
    assert "Lowest A" in FOREST.alt
    assert "Highest B" in FOREST.alt
    assert FOREST.alt.endswith("Disparity: A.")
    drawn = [trace for trace in FOREST.figure()["data"] if "marker" in trace]
    assert {trace["marker"]["symbol"] for trace in drawn} == {"diamond", "circle"}
    assert FOREST.figure()["layout"]["yaxis2"]["ticktext"] == [row.text for row in FOREST.rows]


def test_an_explored_forest_shows_no_verdict():
    explored = Forest(metric="Sensitivity", unit="percent", rows=FOREST.rows, graded=False)
    assert "Disparity" not in explored.alt
    assert {t["name"] for t in explored.figure()["data"] if "name" in t} == {"Exploratory"}
    assert set(explored.frame()["Verdict"]) == {"– Exploratory"}


def test_a_forest_without_any_estimate_says_so():
    empty = Forest(metric="Sensitivity", unit="percent", rows=(row("A", None),))
    assert "no group has an estimate" in empty.alt
    assert not empty.figure()["data"]


def test_waterfall_bars_add_up_to_the_score():
    bars = WATERFALL.bars()
    assert len(bars) == SHOWN + 1
    assert WATERFALL.base + sum(bar.effect for bar in bars) == pytest.approx(WATERFALL.score)


def test_both_directions_are_told_in_the_waterfall():
    assert "Towards: " in WATERFALL.alt
    assert "Away: " in WATERFALL.alt


def test_a_suppressed_cell_stays_empty_and_is_named():
    assert MAP.figure()["data"][0]["z"][1][0] is None
    assert "suppressed" in set(MAP.frame()["As printed"])


def test_a_cell_of_the_map_carries_interval_and_count_wherever_it_is_read():
    trace = MAP.figure()["data"][0]
    assert trace["text"][0][0].split("<br>")[1:] == ["17.0 to 69.0", "4 of 10"]
    assert trace["customdata"][0][0].startswith("40.0 % (17.0 to 69.0), 4 of 10")
    assert MAP.frame()[["Lower", "Upper"]].iloc[0].tolist() == [0.17, 0.69]
