"""Scatter of two versions' predicted risks, each at its threshold: who was called differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import BLUE, GREY, VERMILLION, Figure, level, quiet_layout, upright

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePair:
    """One case under both versions; ``change`` is ``better``, ``worse`` or ``same``."""

    case: str
    base: float
    candidate: float
    change: str
    positive: bool | None = None


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

    def figure(self) -> Figure:
        """Return the scatter with both thresholds as lines."""
        traces = [
            self._marks("same", GREY, "circle", f"called alike ({self.unchanged:,})"),
            self._marks(
                "better", BLUE, "triangle-up", f"right only with {self.candidate} ({self.better:,})"
            ),
            self._marks(
                "worse", VERMILLION, "diamond", f"right only with {self.base} ({self.worse:,})"
            ),
        ]
        axis = {"tickformat": ".0%", "range": [-0.02, 1.02]}
        layout = quiet_layout(
            height=440,
            shapes=[upright(self.thresholds[0]), level(self.thresholds[1])],
            xaxis={**axis, "title": self.base},
            yaxis={**axis, "title": self.candidate},
        )
        return {"data": traces, "layout": layout}

    def _marks(self, change: str, colour: str, symbol: str, name: str) -> dict[str, Any]:
        own = [pair for pair in self.pairs if pair.change == change]
        return {
            "type": "scatter",
            "x": [pair.base for pair in own],
            "y": [pair.candidate for pair in own],
            "mode": "markers",
            "name": name,
            "marker": {
                "color": colour,
                "symbol": symbol,
                "size": 4 if change == "same" else 8,
                "opacity": 0.45 if change == "same" else 0.9,
            },
            "text": [pair.case for pair in own],
            "hovertemplate": "%{text}<br>%{x:.1%} to %{y:.1%}<extra></extra>",
        }
