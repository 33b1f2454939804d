"""Marks and layout that all charts share.

Marks keep at least 3:1 on both the light and the dark ground (tested), so a chart stays right when
the reader switches the theme without a rerun. Text, grid and ground come from Streamlit's theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

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


class Chart(Protocol):
    """A chart from plain data: drawn, told and tabulated from the same numbers."""

    @property
    def alt(self) -> str:
        """Return what the chart shows, in words."""
        ...

    def frame(self) -> pd.DataFrame:
        """Return the table twin."""
        ...

    def figure(self) -> go.Figure:
        """Return the Plotly figure."""
        ...


def quiet_layout(figure: go.Figure, *, height: int, **layout: Any) -> go.Figure:
    """Apply the shared layout: no ground of its own, thin grid, legend above.

    Args:
        figure: The figure to style, changed in place and returned.
        height: Height in pixels.
        **layout: Plotly layout settings on top.
    """
    figure.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 36, "b": 40},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
        hoverlabel={"align": "left"},
        modebar={"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},
        separators=". ",
    )
    figure.update_layout(**layout)
    figure.update_xaxes(tickfont={"size": 13}, title={"font": {"size": 13}})
    figure.update_yaxes(tickfont={"size": 13}, title={"font": {"size": 13}})
    return figure


def tick_format(unit: str) -> str:
    """Return Plotly's number format for a unit of the glossary."""
    return ".0%" if unit == "percent" else ".2f"
