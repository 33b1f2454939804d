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
LEAD_HEIGHT = 60
BAR_FITS = (0.15, 1.2)
"""Smallest and largest share of a row that a bar of 1 may take."""


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
        """Return one row per lead on one scale, a scale bar, and the map as bands behind all.

        Amplitudes of leads are read against each other, so every row spans the same range, as on
        paper (10 mm/mV); the bar is 1 mV, or a round number of the recording's own unit.
        """
        middles, half = self._rows()
        bar = self._bar(half)
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
                "range": [middles[place] - half, middles[place] + half],
                "showticklabels": False,
                "showgrid": False,
                "zeroline": False,
                "fixedrange": True,
            }
        layout = quiet_layout(
            height=110 + LEAD_HEIGHT * count,
            xaxis={"title": "seconds", "anchor": "free", "position": 0},
            shapes=[*self._bands(), self._bar_line(middles[0], bar)],
            annotations=[*self._names(), self._bar_text(middles[0], bar)],
            **{name: axis for name, axis in axes.items() if name != "yaxis"},
        )
        layout["yaxis"] = axes["yaxis"]
        layout["margin"] = {"l": 48, "r": 64, "t": 8, "b": 40}
        return {"data": data, "layout": layout}

    def _rows(self) -> tuple[list[float], float]:
        """Return each lead's middle, and half of the range that fits every lead."""
        low, high = self.values.min(axis=1), self.values.max(axis=1)
        half = float((high - low).max()) / 2
        middles = ((low + high) / 2).astype(float).tolist()
        return middles, half * 1.05 if half > 0 else 1.0

    def _bar(self, half: float) -> float:
        """Return the height of the scale bar: 1 where it fits, else the nearest round number."""
        if BAR_FITS[0] <= 1 / (2 * half) <= BAR_FITS[1]:
            return 1.0
        power = 10.0 ** np.floor(np.log10(half))
        return float(next(step * power for step in (5, 2, 1, 0.5) if step * power <= half * 1.2))

    def _names(self) -> list[dict[str, Any]]:
        """Return the leads' names, upright and left of their rows."""
        count = len(self.leads)
        return [
            {
                "text": lead,
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "xanchor": "right",
                "xshift": -6,
                "y": 1 - (place + 0.47) / count,
                "yanchor": "middle",
                "showarrow": False,
                "textangle": 0,
                "font": {"size": 12},
            }
            for place, lead in enumerate(self.leads)
        ]

    def _bar_line(self, middle: float, bar: float) -> dict[str, Any]:
        return {
            "type": "line",
            "xref": "paper",
            "yref": "y",
            "x0": 1.008,
            "x1": 1.008,
            "y0": middle - bar / 2,
            "y1": middle + bar / 2,
            "line": {"width": 2, "color": GREY},
        }

    def _bar_text(self, middle: float, bar: float) -> dict[str, Any]:
        return {
            "text": f"{bar:g} {self.unit}".strip(),
            "xref": "paper",
            "yref": "y",
            "x": 1.008,
            "xanchor": "left",
            "xshift": 4,
            "y": middle,
            "yanchor": "middle",
            "showarrow": False,
            "font": {"size": 11},
        }

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
