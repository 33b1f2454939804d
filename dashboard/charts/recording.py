"""A recording lead by lead on one time axis, with the map behind it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dashboard.charts.style import BLUE, GREY, VERMILLION, Figure, quiet_layout

if TYPE_CHECKING:
    import pandas as pd

BINS = 120
DRAWN = 1500
"""Points drawn of each lead at most: more than a screen has columns."""
SHOWN_FROM = 0.15
STRONGEST = 0.45
LEAD_HEIGHT = 46


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Leads over time, and what raised or lowered the score when.

    Attributes:
        leads: Name of each lead.
        values: (leads, samples).
        rate: Samples per second.
        unit: Unit of the values, or empty.
        relevance: (samples,), signed, or None where there is no map.
        scale: Magnitude at full colour.
        failed: The map failed its check and is drawn grey.
    """

    leads: tuple[str, ...]
    values: npt.NDArray[np.float32]
    rate: float
    unit: str
    relevance: npt.NDArray[np.float32] | None
    scale: float
    failed: bool = False

    @property
    def alt(self) -> str:
        """Return what is recorded, and when the score was raised most."""
        seconds = self.values.shape[1] / self.rate
        told = f"{len(self.leads)} leads over {seconds:.3g} seconds: {', '.join(self.leads)}."
        if self.relevance is None or not self.relevance.max() > 0:
            return f"{told} No moment raised the score."
        peak = float(self.relevance.argmax()) / self.rate
        return f"{told} What raised the score most lies at {peak:.2f} s."

    def frame(self) -> pd.DataFrame:
        """Return the map in steps of time; the recording itself stays in the study."""
        import pandas as pd

        rows = [
            {"from (s)": low, "to (s)": high, "map (mean)": mean}
            for low, high, mean in self._bins()
        ]
        return pd.DataFrame(rows, columns=["from (s)", "to (s)", "map (mean)"])

    def figure(self) -> Figure:
        """Return one row per lead, the map as bands behind all of them."""
        step = max(1, -(-self.values.shape[1] // DRAWN))
        times = (np.arange(0, self.values.shape[1], step) / self.rate).tolist()
        count = len(self.leads)
        data: list[dict[str, Any]] = []
        axes: dict[str, Any] = {}
        for place, lead in enumerate(self.leads):
            number = "" if place == 0 else str(place + 1)
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": times,
                    "y": self.values[place, ::step].astype(float).round(4).tolist(),
                    "xaxis": "x",
                    "yaxis": f"y{number}",
                    "name": lead,
                    "line": {"color": GREY, "width": 1.2},
                    "showlegend": False,
                    "hovertemplate": f"{lead} %{{x:.3f}} s: %{{y:.3f}} {self.unit}<extra></extra>",
                }
            )
            top = 1 - place / count
            axes[f"yaxis{number}"] = {
                "domain": [max(0.0, top - 0.94 / count), top],
                "title": {"text": lead, "font": {"size": 12}},
                "showticklabels": False,
                "showgrid": False,
                "zeroline": False,
                "fixedrange": True,
            }
        layout = quiet_layout(
            height=110 + LEAD_HEIGHT * count,
            xaxis={"title": "seconds", "anchor": "free", "position": 0},
            shapes=self._bands(),
            **{name: axis for name, axis in axes.items() if name != "yaxis"},
        )
        layout["yaxis"] = axes["yaxis"]
        layout["margin"] = {"l": 48, "r": 8, "t": 8, "b": 40}
        return {"data": data, "layout": layout}

    def _bins(self) -> list[tuple[float, float, float]]:
        if self.relevance is None:
            return []
        edges = np.linspace(0, len(self.relevance), min(BINS, len(self.relevance)) + 1).astype(int)
        return [
            (low / self.rate, high / self.rate, float(self.relevance[low:high].mean()))
            for low, high in pairwise(edges)
        ]

    def _bands(self) -> list[dict[str, Any]]:
        """Return a band for every step of time whose map is strong enough to be seen."""
        bands = []
        for low, high, mean in self._bins():
            share = min(abs(mean) / self.scale, 1.0) if self.scale > 0 else 0.0
            if share < SHOWN_FROM:
                continue
            colour = GREY if self.failed else VERMILLION if mean > 0 else BLUE
            bands.append(
                {
                    "type": "rect",
                    "layer": "below",
                    "xref": "x",
                    "yref": "paper",
                    "x0": low,
                    "x1": high,
                    "y0": 0,
                    "y1": 1,
                    "line": {"width": 0},
                    "fillcolor": colour,
                    "opacity": STRONGEST * share,
                }
            )
        return bands
