"""Paired forest plot: both versions of a model in each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import BLUE, VERMILLION, Figure, quiet_layout, tick_format

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One version's estimate in a group, with its text as printed."""

    value: float | None
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow:
    """One group under both versions."""

    label: str
    base: Side
    candidate: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedForest:
    """Two versions per group in one metric.

    Attributes:
        metric: Label of the metric.
        unit: Unit of the glossary.
        base: Name of the older version.
        candidate: Name of the newer version.
        rows: Groups, first on top.
    """

    metric: str
    unit: str
    base: str
    candidate: str
    rows: tuple[PairedRow, ...]

    @property
    def alt(self) -> str:
        """Return the groups with the largest rise and the largest fall."""
        moved = [
            (row.candidate.value - row.base.value, row)
            for row in self.rows
            if row.candidate.value is not None and row.base.value is not None
        ]
        if not moved:
            return f"{self.metric}: no group has an estimate under both versions."
        worst = min(moved, key=lambda item: item[0])[1]
        best = max(moved, key=lambda item: item[0])[1]
        return (
            f"{self.metric} of {self.base} and {self.candidate} in {len(self.rows)} groups. "
            f"Largest rise: {best.label}, {best.base.text} to {best.candidate.text}. "
            f"Largest fall or smallest rise: {worst.label}, {worst.base.text} to "
            f"{worst.candidate.text}."
        )

    def frame(self) -> pd.DataFrame:
        """Return both versions per group as printed."""
        import pandas as pd

        return pd.DataFrame(
            {
                "Group": [row.label for row in self.rows],
                self.base: [row.base.text for row in self.rows],
                self.candidate: [row.candidate.text for row in self.rows],
            }
        )

    def figure(self) -> Figure:
        """Return the figure: an open circle for the base, a filled diamond for the candidate."""
        traces = [
            self._links(),
            self._side("base", -0.16, BLUE, "circle-open", self.base),
            self._side("candidate", 0.16, VERMILLION, "diamond", self.candidate),
        ]
        layout = quiet_layout(
            height=92 + 38 * max(len(self.rows), 2),
            xaxis={"tickformat": tick_format(self.unit), "zeroline": False},
            yaxis={
                "tickvals": list(range(len(self.rows))),
                "ticktext": [row.label for row in self.rows],
                "range": [len(self.rows) - 0.4, -0.6],
                "showgrid": False,
                "zeroline": False,
            },
        )
        return {"data": traces, "layout": layout}

    def _links(self) -> dict[str, Any]:
        """Return the line from base to candidate in every group, with gaps between groups.

        One trace: Plotly takes a millisecond and more to set up each.
        """
        x: list[float | None] = []
        y: list[float | None] = []
        for at, row in enumerate(self.rows):
            if row.base.value is not None and row.candidate.value is not None:
                x += [row.base.value, row.candidate.value, None]
                y += [at - 0.16, at + 0.16, None]
        return {
            "type": "scatter",
            "x": x,
            "y": y,
            "mode": "lines",
            "line": {"color": "rgba(123,138,145,0.55)", "width": 1},
            "hoverinfo": "skip",
            "showlegend": False,
        }

    def _side(self, side: str, shift: float, colour: str, symbol: str, name: str) -> dict[str, Any]:
        rows = [(i, row, getattr(row, side)) for i, row in enumerate(self.rows)]
        kept = [(i, row, part) for i, row, part in rows if part.value is not None]
        return {
            "type": "scatter",
            "x": [part.value for _, _, part in kept],
            "y": [i + shift for i, _, _ in kept],
            "mode": "markers",
            "name": name,
            "marker": {
                "color": colour,
                "symbol": symbol,
                "size": 9,
                "line": {"width": 2, "color": colour},
            },
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [
                    (p.high if p.high is not None else p.value) - p.value for _, _, p in kept
                ],
                "arrayminus": [
                    p.value - (p.low if p.low is not None else p.value) for _, _, p in kept
                ],
                "color": colour,
                "thickness": 1.5,
                "width": 3,
            },
            "text": [f"{row.label}<br>{name}: {part.text}" for _, row, part in kept],
            "hovertemplate": "%{text}<extra></extra>",
        }
