"""Map of two crossed attributes: estimate, interval, n and verdict in every cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.charts.style import Figure, quiet_layout, tick_format
from dashboard.words import verdict_text, word

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One crossed group.

    Attributes:
        row: Level along the rows.
        column: Level along the columns.
        value: The estimate, or None where there is none.
        low: Lower limit of its interval.
        high: Upper limit.
        text: Estimate, interval and count as printed.
        limits: The interval as printed, empty where there is none.
        n: The count as printed.
        verdict: Verdict of the comparison with the rest.
        strength: How sure a disparity is.
    """

    row: str
    column: str
    value: float | None
    low: float | None = None
    high: float | None = None
    text: str
    limits: str = ""
    n: str
    verdict: str = "exploratory"
    strength: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMap:
    """Crossed groups in one metric.

    Attributes:
        metric: Label of the metric.
        unit: Unit of the glossary.
        row_name: Attribute along the rows.
        column_name: Attribute along the columns.
        cells: Every crossed group that the run holds.
        overall: Estimate of everybody, the middle of the colour scale.
        margin: Difference that does not matter; the scale reaches at least as far, so that
            groups which are alike look alike. None where none is declared.
    """

    metric: str
    unit: str
    row_name: str
    column_name: str
    cells: tuple[Cell, ...]
    overall: float | None = None
    margin: float | None = None

    @property
    def alt(self) -> str:
        """Return the extremes of the map and its disparities."""
        known = [cell for cell in self.cells if cell.value is not None]
        if not known:
            return f"{self.metric} by {self.row_name} and {self.column_name}: no estimate."
        low = min(known, key=lambda cell: cell.value or 0)
        high = max(known, key=lambda cell: cell.value or 0)
        apart = [f"{c.row}, {c.column}" for c in self.cells if c.verdict == "disparity"]
        tail = f" Disparity: {'; '.join(apart)}." if apart else ""
        return (
            f"{self.metric} by {self.row_name} and {self.column_name}, {len(self.cells)} cells. "
            f"Lowest {low.row}, {low.column}: {low.text}. "
            f"Highest {high.row}, {high.column}: {high.text}.{tail}"
        )

    def frame(self) -> pd.DataFrame:
        """Return every cell in long form."""
        import pandas as pd

        return pd.DataFrame(
            {
                self.row_name: [c.row for c in self.cells],
                self.column_name: [c.column for c in self.cells],
                self.metric: [c.value for c in self.cells],
                "Lower": [c.low for c in self.cells],
                "Upper": [c.high for c in self.cells],
                "As printed": [c.text for c in self.cells],
                "Verdict": [verdict_text(c.verdict, c.strength) for c in self.cells],
            }
        )

    def figure(self) -> Figure:
        """Return the map; an empty cell stays empty and says so on hover."""
        rows = list(dict.fromkeys(c.row for c in self.cells))
        columns = list(dict.fromkeys(c.column for c in self.cells))
        found = {(c.row, c.column): c for c in self.cells}
        grid = [[found.get((r, c)) for c in columns] for r in rows]
        values = [c.value for c in self.cells if c.value is not None]
        middle = self.overall if self.overall is not None else sum(values) / max(len(values), 1)
        reach = max([abs(v - middle) for v in values] + [self.margin or 0.02])
        trace = {
            "type": "heatmap",
            "z": [[cell.value if cell else None for cell in line] for line in grid],
            "x": columns,
            "y": rows,
            "zmin": middle - reach,
            "zmax": middle + reach,
            "colorscale": _SCALE,
            "xgap": 3,
            "ygap": 3,
            "customdata": [[_told(cell) for cell in line] for line in grid],
            "text": [[self._cell_text(cell) if cell else "" for cell in line] for line in grid],
            "texttemplate": "%{text}",
            "textfont": {"size": 12, "color": "#10181C"},
            "hovertemplate": "%{y}, %{x}<br>%{customdata}<extra></extra>",
            "colorbar": {
                "tickformat": tick_format(self.unit),
                "tickvals": _ticks(middle, reach, self.unit),
                "thickness": 10,
                "len": 0.9,
            },
        }
        layout = quiet_layout(
            height=110 + 72 * len(rows),
            xaxis={"side": "top", "showgrid": False, "title": self.column_name},
            yaxis={"autorange": "reversed", "showgrid": False, "title": self.row_name},
        )
        return {"data": [trace], "layout": layout}

    def _cell_text(self, cell: Cell) -> str:
        symbol = word("verdict", cell.verdict).symbol
        if cell.value is None:
            return f"{symbol} {cell.n}"
        shown = f"{cell.value:.0%}" if self.unit == "percent" else f"{cell.value:.2f}"
        lines = [f"<b>{symbol} {shown}</b>", cell.limits, cell.n]
        return "<br>".join(line for line in lines if line)


def _told(cell: Cell | None) -> str:
    """Return what a cell says on hover."""
    if cell is None:
        return "no cases"
    return f"{cell.text}<br>{verdict_text(cell.verdict, cell.strength)}"


def _ticks(middle: float, reach: float, unit: str) -> list[float]:
    """Return five marks of the colour bar; a share has none outside 0 to 100 %."""
    marks = [middle + part * reach for part in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    return [mark for mark in marks if unit != "percent" or 0 <= mark <= 1]


# Vermillion to blue over a light middle: monotone in lightness on both arms, every tint light
# enough for dark text in the cell whatever the theme.
_SCALE = [
    [0.0, "#E08A5B"],
    [0.25, "#F0BC9C"],
    [0.5, "#EDEFEE"],
    [0.75, "#A9CDE3"],
    [1.0, "#6AAFD6"],
]
