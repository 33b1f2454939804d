"""Marks and layout that all charts share.

Marks keep at least 3:1 on both the light and the dark ground (tested), so a chart stays right when
the reader switches the theme without a rerun. Text, grid and ground come from Streamlit's theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

Figure = dict[str, Any]
"""A Plotly figure as plain data: ``data``, a list of traces, and ``layout``. Plotly checks it once,
when it is shown; building it from Plotly's own classes costs four times as much."""

BLUE = "#2680B8"
VERMILLION = "#CC5A1F"
GREY = "#7B8A91"
TEAL = "#1F8A87"
PLUM = "#A2648F"

MARK_COLOURS = (BLUE, VERMILLION, GREY, TEAL, PLUM)

VERDICT_MARKS: dict[str, tuple[str, str]] = {
    "disparity": (VERMILLION, "diamond"),
    "equivalent": (BLUE, "circle"),
    "inconclusive": (GREY, "circle-open"),
    "not_evaluable": (GREY, "x-thin-open"),
    "exploratory": (GREY, "square-open"),
}
"""Colour and shape of a verdict; the shapes repeat the glossary's symbols."""

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "auscult"},
}


NARROW = 0.08
"""Range of shares below which an axis needs tenths of a percent."""


class Chart(Protocol):
    """A chart from plain data: drawn, told and tabulated from the same numbers."""

    @property
    def alt(self) -> str:
        """Return what the chart shows, in words."""
        ...

    def frame(self) -> pd.DataFrame:
        """Return the table twin."""
        ...

    def figure(self) -> Figure:
        """Return the Plotly figure; ``data`` is empty where nothing can be drawn."""
        ...


def quiet_layout(
    *,
    height: int,
    xaxis: Mapping[str, Any] | None = None,
    yaxis: Mapping[str, Any] | None = None,
    **layout: Any,
) -> dict[str, Any]:
    """Return the shared layout: no ground of its own, thin grid, legend above.

    Args:
        height: Height in pixels.
        xaxis: Settings of the horizontal axis; ``title`` is its text.
        yaxis: Settings of the vertical axis; ``title`` is its text.
        **layout: Plotly layout settings on top.
    """
    return {
        "height": height,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 36, "b": 40},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
        "hoverlabel": {"align": "left"},
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},
        "separators": ". ",
        "xaxis": _axis(xaxis or {}),
        "yaxis": _axis(yaxis or {}),
        **layout,
    }


def _axis(settings: Mapping[str, Any]) -> dict[str, Any]:
    title: dict[str, Any] = {"font": {"size": 13}}
    if "title" in settings:
        title["text"] = settings["title"]
    return {"tickfont": {"size": 13}, **settings, "title": title}


def upright(x: float) -> dict[str, Any]:
    """Return a thin dotted line over the whole height at ``x``, an entry of ``shapes``."""
    return {**_LINE, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "y domain"}


def level(y: float) -> dict[str, Any]:
    """Return a thin dotted line over the whole width at ``y``, an entry of ``shapes``."""
    return {**_LINE, "y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "x domain"}


_LINE: dict[str, Any] = {"type": "line", "line": {"color": GREY, "width": 1, "dash": "dot"}}


def tick_format(unit: str, shown: Sequence[float | None] = ()) -> str:
    """Return Plotly's number format for a unit of the glossary.

    Args:
        unit: The unit.
        shown: Numbers on the axis; where they lie close together, two ticks must not read alike.

    Example:
        >>> tick_format("percent"), tick_format("percent", [0.17, None, 0.21])
        ('.0%', '.1%')
    """
    if unit != "percent":
        return ".2f"
    known = [value for value in shown if value is not None]
    narrow = known and max(known) - min(known) < NARROW
    return ".1%" if narrow else ".0%"
