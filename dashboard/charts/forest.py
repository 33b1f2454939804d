"""Forest plot: one row per group, point and interval, the count beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import VERDICT_MARKS, Figure, quiet_layout, tick_format, upright
from dashboard.words import label, verdict_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One group.

    Attributes:
        label: Group in words.
        value: Estimate, or None where it is undefined or suppressed.
        low: Lower limit.
        high: Upper limit.
        text: Estimate, interval and count as printed.
        verdict: Verdict of the group in this metric, or ``exploratory``.
        strength: ``confirmed``, ``indicated`` or None.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    verdict: str = "exploratory"
    strength: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Groups against everybody in one metric.

    Attributes:
        metric: Label of the metric.
        unit: Unit of the glossary.
        rows: Groups, first on top.
        overall: Estimate of everybody, drawn as a line, or None.
        line: What stands above that line.
        grouped: What a row is, in one word.
        graded: Whether marks carry verdicts; False while a threshold is being explored.
    """

    metric: str
    unit: str
    rows: tuple[ForestRow, ...]
    overall: float | None = None
    graded: bool = True
    grouped: str = "group"
    line: str = "everybody"

    @property
    def alt(self) -> str:
        """Return the extremes and the groups with a disparity."""
        known = [row for row in self.rows if row.value is not None]
        if not known:
            return f"{self.metric} by {self.grouped}: no {self.grouped} has an estimate."
        low = min(known, key=lambda row: row.value or 0)
        high = max(known, key=lambda row: row.value or 0)
        apart = (
            [row.label for row in self.rows if row.verdict == "disparity"] if self.graded else []
        )
        tail = f" Disparity: {'; '.join(apart)}." if apart else ""
        return (
            f"{self.metric} by {self.grouped} with 95 % intervals, {len(self.rows)} "
            f"{self.grouped}s. "
            f"Lowest {low.label}: {low.text}. Highest {high.label}: {high.text}.{tail}"
        )

    def frame(self) -> pd.DataFrame:
        """Return group, estimate, limits, count and verdict."""
        import pandas as pd

        return pd.DataFrame(
            {
                self.grouped.capitalize(): [row.label for row in self.rows],
                self.metric: [row.value for row in self.rows],
                "Lower": [row.low for row in self.rows],
                "Upper": [row.high for row in self.rows],
                "As printed": [row.text for row in self.rows],
                "Verdict": [
                    verdict_text(row.verdict if self.graded else "exploratory", row.strength)
                    for row in self.rows
                ],
            }
        )

    def figure(self) -> Figure:
        """Return the figure; marks differ by verdict in shape and colour."""
        shown = "exploratory"
        traces = []
        for verdict in VERDICT_MARKS:
            rows = [
                (i, row)
                for i, row in enumerate(self.rows)
                if row.value is not None and (row.verdict if self.graded else shown) == verdict
            ]
            if rows:
                traces.append(_marks(rows, verdict))
        if traces:
            traces.append(_NOTHING)
        ends = [end for row in self.rows for end in (row.low, row.high, row.value)]
        layout = quiet_layout(
            height=92 + 27 * max(len(self.rows), 2),
            margin={"l": 8, "r": 260, "t": 58, "b": 34},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            showlegend=len(traces) > 2,  # noqa: PLR2004 - one kind of mark needs no legend
            annotations=self._line(),
            shapes=[] if self.overall is None else [upright(self.overall)],
            xaxis={"tickformat": tick_format(self.unit, ends), "zeroline": False},
            yaxis=self._axis([row.label for row in self.rows]),
            yaxis2=self._axis([row.text for row in self.rows])
            | {"overlaying": "y", "side": "right", "tickfont": {"size": 13}, "ticks": ""},
        )
        return {"data": traces, "layout": layout}

    def _axis(self, texts: list[str]) -> dict[str, Any]:
        """Return an axis with a text for every row: labels on the left, estimates on the right.

        Ticks and not annotations, each of which a browser lays out by itself.
        """
        return {
            "tickvals": list(range(len(self.rows))),
            "ticktext": texts,
            "range": [len(self.rows) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
        }

    def _line(self) -> list[dict[str, Any]]:
        """Return what stands above the line of everybody."""
        if self.overall is None:
            return []
        return [
            {
                "x": self.overall, "xref": "x", "y": 1.0, "yref": "paper", "yanchor": "bottom",
                "text": self.line, "showarrow": False, "font": {"size": 11},
            }
        ]  # fmt: skip


_NOTHING: dict[str, Any] = {
    "type": "scatter", "x": [None], "y": [None], "yaxis": "y2", "showlegend": False,
    "hoverinfo": "skip",
}  # fmt: skip
"""Draws nothing: Plotly shows an axis only where a trace hangs on it."""


def _marks(rows: list[tuple[int, ForestRow]], verdict: str) -> dict[str, Any]:
    colour, symbol = VERDICT_MARKS[verdict]
    return {
        "type": "scatter",
        "x": [row.value for _, row in rows],
        "y": [i for i, _ in rows],
        "mode": "markers",
        "name": label("verdict", verdict),
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 10,
            "line": {"width": 2, "color": colour},
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_reach(row.high, row.value) for _, row in rows],
            "arrayminus": [_reach(row.value, row.low) for _, row in rows],
            "color": colour,
            "thickness": 1.8,
            "width": 4,
        },
        "text": [f"{row.label}<br>{row.text}" for _, row in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _reach(upper: float | None, lower: float | None) -> float:
    return 0.0 if upper is None or lower is None else upper - lower
