"""Reliability curve: predicted against observed risk, one mark per bin, sized by n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import GREY, MARK_COLOURS, Figure, quiet_layout

if TYPE_CHECKING:
    import pandas as pd
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Cases of one group in one bin of predicted risk: means, interval of the observed rate, n."""

    group: str
    predicted: float
    observed: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Calibration of up to five groups.

    Attributes:
        bins: Bins of all groups, in the order of the groups.
        name: What is being predicted, in words.
    """

    bins: tuple[ReliabilityBin, ...]
    name: str

    @property
    def alt(self) -> str:
        """Return the bin with the largest gap between predicted and observed risk."""
        if not self.bins:
            return f"Calibration of {self.name}: no bin holds enough cases."
        worst = max(self.bins, key=lambda b: abs(b.observed - b.predicted))
        return (
            f"Predicted against observed risk of {self.name} for {len(self.groups())} groups. "
            f"Largest gap: {worst.group}, predicted {worst.predicted:.0%}, observed "
            f"{worst.observed:.0%} ({worst.low:.0%} to {worst.high:.0%}), n {worst.n}."
        )

    def groups(self) -> list[str]:
        """Return the groups in the order given."""
        return list(dict.fromkeys(b.group for b in self.bins))

    def frame(self) -> pd.DataFrame:
        """Return every bin."""
        import pandas as pd

        return pd.DataFrame(
            {
                "Group": [b.group for b in self.bins],
                "Predicted risk": [b.predicted for b in self.bins],
                "Observed rate": [b.observed for b in self.bins],
                "Lower": [b.low for b in self.bins],
                "Upper": [b.high for b in self.bins],
                "n": [b.n for b in self.bins],
            }
        )

    def figure(self) -> Figure:
        """Return the figure; groups differ by colour, shape and dash."""
        diagonal = {
            "type": "scatter", "x": [0, 1], "y": [0, 1], "mode": "lines",
            "name": "perfect calibration", "line": {"color": GREY, "width": 1, "dash": "dot"},
            "hoverinfo": "skip",
        }  # fmt: skip
        curves = [self._curve(index, group) for index, group in enumerate(self.groups())]
        axis = {"tickformat": ".0%", "range": [-0.02, 1.02]}
        layout = quiet_layout(
            height=420,
            xaxis={**axis, "title": "predicted risk"},
            yaxis={**axis, "title": "observed rate"},
        )
        return {"data": [diagonal, *curves], "layout": layout}

    def _curve(self, index: int, group: str) -> dict[str, Any]:
        own = [b for b in self.bins if b.group == group]
        colour = MARK_COLOURS[index % len(MARK_COLOURS)]
        return {
            "type": "scatter",
            "x": [b.predicted for b in own],
            "y": [b.observed for b in own],
            "mode": "lines+markers",
            "name": group,
            "line": {"color": colour, "width": 1.5, "dash": DASHES[index % len(DASHES)]},
            "marker": {"size": 8, "symbol": SYMBOLS[index % len(SYMBOLS)], "color": colour},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [b.high - b.observed for b in own],
                "arrayminus": [b.observed - b.low for b in own],
                "color": colour,
                "thickness": 1.2,
                "width": 3,
            },
            "text": [f"{group}, n {b.n}" for b in own],
            "hovertemplate": "%{text}<br>predicted %{x:.0%}, observed %{y:.0%}<extra></extra>",
        }
