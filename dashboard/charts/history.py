"""Versions over time: an estimate with its interval a version, joined where data are alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import MARK_COLOURS, Figure, quiet_layout, tick_format

if TYPE_CHECKING:
    import pandas as pd

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """One version in one run.

    Attributes:
        name: Version, as printed on the axis.
        date: When the run was made.
        strand: Which data it was judged on, from 1.
        value: Estimate, or None.
        low: Lower limit.
        high: Upper limit.
        text: The estimate as printed.
        changed: What changed beside the model since the version before it.
    """

    name: str
    date: str
    strand: int
    value: float | None
    low: float | None
    high: float | None
    text: str
    changed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A metric of every version, oldest first.

    Attributes:
        metric: Label of the metric.
        unit: Unit of the glossary.
        points: Versions in time.
    """

    metric: str
    unit: str
    points: tuple[Milestone, ...]

    @property
    def alt(self) -> str:
        """Return every version with its estimate."""
        told = "; ".join(f"{p.name} {p.text}" for p in self.points)
        strands = len({p.strand for p in self.points})
        apart = (
            f" Judged on {strands} different data; not comparable across." if strands > 1 else ""
        )
        return f"{self.metric} over time: {told}.{apart}"

    def frame(self) -> pd.DataFrame:
        """Return every version as printed."""
        import pandas as pd

        return pd.DataFrame(
            {
                "Made": [p.date for p in self.points],
                "Version": [p.name for p in self.points],
                "Data": [p.strand for p in self.points],
                self.metric: [p.text for p in self.points],
                "Changed beside the model": [p.changed for p in self.points],
            }
        )

    def figure(self) -> Figure:
        """Return points in order; a line only within one strand, and never across a gap."""
        one_day = len({p.date[:10] for p in self.points}) == 1 < len(self.points)
        ticks = [
            f"{p.name}<br>{p.date[: 16 if one_day else 10].replace('T', ' ')}" for p in self.points
        ]
        layout = quiet_layout(
            height=380,
            xaxis={
                "tickvals": list(range(len(self.points))),
                "ticktext": ticks,
                "range": [-0.5, max(len(self.points), 2) - 0.5],
                "showgrid": False,
                "zeroline": False,
            },
            yaxis={"title": self.metric, "tickformat": tick_format(self.unit), "zeroline": False},
        )
        return {"data": list(self._traces()), "layout": layout}

    def _traces(self) -> Iterator[dict[str, Any]]:
        for strand in dict.fromkeys(p.strand for p in self.points):
            kept = [
                (x, p)
                for x, p in enumerate(self.points)
                if p.strand == strand and p.value is not None
            ]
            colour = MARK_COLOURS[(strand - 1) % len(MARK_COLOURS)]
            yield {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"Data {strand}",
                "x": [x for x, _ in kept],
                "y": [p.value for _, p in kept],
                "line": {"color": colour, "width": 1, "dash": "dot"},
                "marker": {"color": colour, "size": 10, "symbol": SYMBOLS[(strand - 1) % 5]},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_apart(p.high, p.value) for _, p in kept],
                    "arrayminus": [_apart(p.value, p.low) for _, p in kept],
                    "color": colour,
                    "thickness": 1.5,
                    "width": 4,
                },
                "text": [f"{p.name}<br>{p.text}<br>{p.changed}" for _, p in kept],
                "hovertemplate": "%{text}<extra></extra>",
            }


def _apart(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else high - low
