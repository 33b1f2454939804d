"""What each input of a model with several does to one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import BLUE, GREY, VERMILLION, quiet_layout, upright
from dashboard.numbers import signed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityBar:
    """Effects of whole inputs, the largest first.

    Attributes:
        effects: Label to effect.
        unit: Words for the axis.
    """

    effects: dict[str, float]
    unit: str

    @property
    def alt(self) -> str:
        """Return every effect in words."""
        told = "; ".join(f"{label} {signed(value)}" for label, value in self._ranked())
        return f"Effect of each input on the score in {self.unit}: {told}."

    def frame(self) -> pd.DataFrame:
        """Return input and effect."""
        import pandas as pd

        ranked = self._ranked()
        return pd.DataFrame(
            {"Input": [label for label, _ in ranked], "Effect": [value for _, value in ranked]}
        )

    def figure(self) -> dict[str, Any]:
        """Return one bar per input; towards is filled, away is hatched."""
        ranked = self._ranked()
        rows = list(range(len(ranked)))
        data = {
            "type": "bar",
            "orientation": "h",
            "y": rows,
            "x": [value for _, value in ranked],
            "marker": {
                "color": [VERMILLION if value >= 0 else BLUE for _, value in ranked],
                "pattern": {
                    "shape": ["" if value >= 0 else "/" for _, value in ranked],
                    "solidity": 0.25,
                },
                "line": {"width": 0, "color": GREY},
            },
            "text": [signed(value) for _, value in ranked],
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "%{text}<extra></extra>",
        }
        layout = quiet_layout(
            height=70 + 34 * len(ranked),
            bargap=0.35,
            showlegend=False,
            margin={"l": 8, "r": 40, "t": 8, "b": 40},
            shapes=[upright(0.0)],
            xaxis={"title": f"effect in {self.unit}", "zeroline": False},
            yaxis={
                "tickvals": rows,
                "ticktext": [label for label, _ in ranked],
                "range": [len(ranked) - 0.4, -0.6],
                "showgrid": False,
            },
        )
        return {"data": [data], "layout": layout}

    def _ranked(self) -> list[tuple[str, float]]:
        return sorted(self.effects.items(), key=lambda item: -abs(item[1]))
