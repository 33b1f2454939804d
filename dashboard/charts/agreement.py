"""Scatter of two versions' predicted risks, each at its threshold: who was called differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.charts.style import BLUE, GREY, VERMILLION, quiet_layout

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePair:
    """One case under both versions; ``change`` is ``better``, ``worse`` or ``same``."""

    case: str
    base: float
    candidate: float
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Cases under two versions.

    Attributes:
        base: Name of the base version.
        candidate: Name of the candidate.
        thresholds: Threshold of the base and of the candidate.
        pairs: The largest changes of either kind and a sample of the unchanged cases; few enough
            for plain SVG, because a browser without a graphics card stalls on WebGL.
        unchanged: How many unchanged cases there are in all.
        better: How many cases only the candidate calls correctly.
        worse: How many cases only the base calls correctly.
    """

    base: str
    candidate: str
    thresholds: tuple[float, float]
    pairs: tuple[CasePair, ...]
    unchanged: int
    better: int
    worse: int

    @property
    def alt(self) -> str:
        """Return how many calls changed and in which direction."""
        return (
            f"Predicted risk of {self.base} against {self.candidate}. {self.better} cases are "
            f"called correctly only by {self.candidate}, {self.worse} only by {self.base}; "
            f"{self.unchanged} are called alike."
        )

    def frame(self) -> pd.DataFrame:
        """Return the changed calls."""
        import pandas as pd

        changed = [pair for pair in self.pairs if pair.change != "same"]
        return pd.DataFrame(
            {
                "Case": [pair.case for pair in changed],
                self.base: [pair.base for pair in changed],
                self.candidate: [pair.candidate for pair in changed],
                "Change": [pair.change for pair in changed],
            }
        )

    def figure(self) -> go.Figure:
        """Return the scatter with both thresholds as lines."""
        import plotly.graph_objects as go

        figure = go.Figure()
        for change, colour, symbol, name, count in (
            ("same", GREY, "circle", "called alike", self.unchanged),
            ("better", BLUE, "triangle-up", f"right only with {self.candidate}", self.better),
            ("worse", VERMILLION, "diamond", f"right only with {self.base}", self.worse),
        ):
            own = [pair for pair in self.pairs if pair.change == change]
            figure.add_trace(
                go.Scatter(
                    x=[pair.base for pair in own],
                    y=[pair.candidate for pair in own],
                    mode="markers",
                    name=f"{name} ({count:,})",
                    marker={
                        "color": colour,
                        "symbol": symbol,
                        "size": 4 if change == "same" else 8,
                        "opacity": 0.45 if change == "same" else 0.9,
                    },
                    text=[pair.case for pair in own],
                    hovertemplate="%{text}<br>%{x:.1%} to %{y:.1%}<extra></extra>",
                )
            )
        line = {"color": GREY, "width": 1, "dash": "dot"}
        figure.add_vline(x=self.thresholds[0], line=line)
        figure.add_hline(y=self.thresholds[1], line=line)
        quiet_layout(figure, height=440)
        figure.update_xaxes(title={"text": self.base}, tickformat=".0%", range=[-0.02, 1.02])
        figure.update_yaxes(title={"text": self.candidate}, tickformat=".0%", range=[-0.02, 1.02])
        return figure
