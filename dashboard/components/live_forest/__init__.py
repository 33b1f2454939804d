"""A forest plot that follows a slider.

A chart of Plotly is made anew by Streamlit at every change, which takes a browser a quarter of a
second; these rows are drawn again in place within milliseconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.charts.axis import ticks_between
from dashboard.charts.forest import Forest, ForestRow
from dashboard.charts.style import GREY

_HERE = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "auscult_live_forest",
    html='<div class="live-forest"><svg class="main-svg" role="img"></svg></div>',
    css=(_HERE / "live_forest.css").read_text(encoding="utf-8"),
    js=(_HERE / "live_forest.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the page's button saves the drawing
)
_ROOM = 0.04
"""Share of the axis that stays free on both sides."""


def live_forest(chart: Forest, *, key: str) -> None:
    """Show estimates and intervals by group, all with the mark of what is explored.

    Args:
        chart: The groups; at least one has an estimate.
        key: Its key on the page.
    """
    _MOUNT(data=_drawn(chart), key=key, height="content")


def _drawn(chart: Forest) -> dict[str, Any]:
    """Return what the browser draws, places as shares of the axis."""
    shown = [end for row in chart.rows for end in (row.low, row.high, row.value, chart.overall)]
    known = [end for end in shown if end is not None]
    low, high = min(known), max(known)
    room = _ROOM * ((high - low) or 1.0)
    low, high = low - room, high + room

    def place(value: float | None) -> float | None:
        return None if value is None else (value - low) / (high - low)

    def row(one: ForestRow) -> dict[str, Any]:
        ends = {"value": place(one.value), "low": place(one.low), "high": place(one.high)}
        return {"label": one.label, "text": one.text, **ends}

    return {
        "alt": chart.alt,
        "colour": GREY,
        "rows": [row(one) for one in chart.rows],
        "ticks": [
            {"at": place(at), "text": text} for at, text in ticks_between(low, high, chart.unit)
        ],
        "line": None if chart.overall is None else {"at": place(chart.overall), "text": chart.line},
    }


__all__ = ["live_forest"]
