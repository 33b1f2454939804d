"""Effects of the leading variables at every point in time of a survival curve or a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.charts.style import MARK_COLOURS, Figure, quiet_layout

if TYPE_CHECKING:
    import pandas as pd

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCurve:
    """One line per variable.

    Attributes:
        points: Names of the outputs, in their order.
        lines: Label of a variable -> its effect at every point, largest first.
        unit: Unit of the effects.
    """

    points: tuple[str, ...]
    lines: tuple[tuple[str, tuple[float, ...]], ...]
    unit: str

    @property
    def alt(self) -> str:
        """Return where each line begins and ends."""
        told = [f"{label} {line[0]:+.2f} to {line[-1]:+.2f}" for label, line in self.lines]
        return (
            f"Effects from {self.points[0]} to {self.points[-1]}, in {self.unit}: "
            f"{'; '.join(told)}."
        )

    def frame(self) -> pd.DataFrame:
        """Return a row per variable, a column per point."""
        import pandas as pd

        columns = {
            point: [line[place] for _, line in self.lines]
            for place, point in enumerate(self.points)
        }
        return pd.DataFrame({"Variable": [label for label, _ in self.lines], **columns})

    def figure(self) -> Figure:
        """Return the lines, apart in colour and in mark."""
        traces = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "x": list(self.points),
                "y": list(line),
                "line": {"color": MARK_COLOURS[place % len(MARK_COLOURS)]},
                "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
            }
            for place, (label, line) in enumerate(self.lines)
        ]
        layout = quiet_layout(
            height=320,
            xaxis={"type": "category"},
            yaxis={"title": f"effect in {self.unit}", "zeroline": True},
        )
        return {"data": traces, "layout": layout}
