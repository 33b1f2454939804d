"""Effects of many patients: a swarm per variable, and one variable's effect along its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import BLUE, GREY, VERMILLION, Figure, quiet_layout, upright

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LANES = 0.38
BINS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One patient's effect of one variable.

    Attributes:
        effect: In the unit of the effects.
        value: The variable's value as it is shown.
        rank: Where the value stands among the patients, 0 to 1; None where it was not measured
            or has no order.
    """

    effect: float
    value: str
    rank: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beeswarm:
    """Every patient's effect of the leading variables.

    Attributes:
        rows: Label of a variable and its dots, the most important first.
        unit: Unit of the effects.
    """

    rows: tuple[tuple[str, tuple[Dot, ...]], ...]
    unit: str

    @property
    def alt(self) -> str:
        """Return the range of the leading variables."""
        told = []
        for label, dots in self.rows[:3]:
            effects = [dot.effect for dot in dots]
            told.append(f"{label} from {min(effects):+.2f} to {max(effects):+.2f}")
        count = len(self.rows[0][1]) if self.rows else 0
        return (
            f"Effects of {len(self.rows)} variables in {count} randomly drawn cases, in "
            f"{self.unit}: {'; '.join(told)}."
        )

    def frame(self) -> pd.DataFrame:
        """Return quantiles of each variable's effects."""
        import numpy as np
        import pandas as pd

        steps = {"Lowest": 0.0, "5 %": 0.05, "Median": 0.5, "95 %": 0.95, "Highest": 1.0}
        effects = [np.array([dot.effect for dot in dots]) for _, dots in self.rows]
        return pd.DataFrame(
            {
                "Variable": [label for label, _ in self.rows],
                "Cases": [len(one) for one in effects],
                **{
                    name: [float(np.quantile(one, share)) for one in effects]
                    for name, share in steps.items()
                },
            }
        )

    def figure(self) -> Figure:
        """Return swarms: high values are filled diamonds, low ones open circles."""
        import numpy as np

        kinds: tuple[tuple[str, str, str], ...] = (
            ("lower half of values", BLUE, "circle-open"),
            ("upper half of values", VERMILLION, "diamond"),
            ("not measured, or without order", GREY, "x-thin-open"),
        )
        points: list[dict[str, list[Any]]] = [{"x": [], "y": [], "text": []} for _ in kinds]
        for place, (label, dots) in enumerate(self.rows):
            heights = _swarm(np.array([dot.effect for dot in dots]))
            for dot, height in zip(dots, heights, strict=True):
                kind = 2 if dot.rank is None else int(dot.rank >= 0.5)  # noqa: PLR2004 - halves
                points[kind]["x"].append(dot.effect)
                points[kind]["y"].append(place + height)
                points[kind]["text"].append(f"{label} {dot.value}: {dot.effect:+.3f}")
        traces = [
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "marker": {
                    "color": colour,
                    "symbol": symbol,
                    "size": 5,
                    "line": {"width": 1.2, "color": colour},
                },
                "hovertemplate": "%{text}<extra></extra>",
                **held,
            }
            for (name, colour, symbol), held in zip(kinds, points, strict=True)
            if held["x"]
        ]
        layout = quiet_layout(
            height=110 + 40 * len(self.rows),
            shapes=[upright(0.0)],
            xaxis={"title": f"effect in {self.unit}", "zeroline": False},
            yaxis={
                "tickvals": list(range(len(self.rows))),
                "ticktext": [label for label, _ in self.rows],
                "range": [len(self.rows) - 0.4, -0.6],
                "showgrid": False,
                "zeroline": False,
            },
        )
        return {"data": traces, "layout": layout}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """One variable's effect along its values, a dot per patient.

    Attributes:
        label: The variable.
        unit: Unit of its values.
        values: Numbers, or categories as text.
        effects: Of the same patients.
        effect_unit: Unit of the effects.
        normal: Reference range, or None.
    """

    label: str
    unit: str
    values: tuple[float | str, ...]
    effects: tuple[float, ...]
    effect_unit: str
    normal: tuple[float | None, float | None] | None = None

    @property
    def alt(self) -> str:
        """Return where the effect is lowest and highest."""
        import numpy as np

        if not self.effects:
            return f"{self.label} was measured in none of the drawn cases."
        low, high = int(np.argmin(self.effects)), int(np.argmax(self.effects))
        return (
            f"Effect of {self.label} on the score in {len(self.effects)} cases: from "
            f"{self.effects[low]:+.2f} at {_told(self.values[low])} to "
            f"{self.effects[high]:+.2f} at {_told(self.values[high])} {self.unit}."
        )

    def frame(self) -> pd.DataFrame:
        """Return the mean effect by tenth of the values, or by category."""
        import numpy as np
        import pandas as pd

        held = pd.DataFrame({"value": self.values, "effect": self.effects})
        if held["value"].dtype.kind == "f" and held["value"].nunique() > BINS // 6:
            held["band"] = pd.qcut(held["value"], 10, duplicates="drop").astype(str)
        else:
            held["band"] = held["value"].astype(str)
        grouped = held.groupby("band", sort=False)["effect"]
        out = grouped.agg(["count", "mean", "min", "max"]).reset_index()
        order = held.groupby("band", sort=False)["value"].min().to_numpy()
        out = out.iloc[np.argsort(order, kind="stable")]
        out.columns = [f"{self.label} {self.unit}".strip(), "Cases", "Mean effect", "Low", "High"]
        return out

    def figure(self) -> Figure:
        """Return the dots, with the limits of the reference range as lines."""
        if not self.effects:
            return {"data": [], "layout": {}}
        lines = [upright(one) for one in self.normal or () if one is not None]
        trace = {
            "type": "scatter",
            "mode": "markers",
            "x": list(self.values),
            "y": list(self.effects),
            "marker": {"color": BLUE, "size": 6, "symbol": "circle-open", "line": {"width": 1.3}},
            "hovertemplate": f"%{{x}} {self.unit}: %{{y:+.3f}}<extra></extra>",
        }
        layout = quiet_layout(
            height=340,
            shapes=lines,
            xaxis={"title": f"{self.label} {self.unit}".strip(), "zeroline": False},
            yaxis={"title": f"effect in {self.effect_unit}"},
        )
        return {"data": [trace], "layout": layout}


def _told(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value


def _swarm(effects: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return heights that keep dots of like effect apart, within a lane."""
    import numpy as np

    if not len(effects):
        return effects
    low, high = float(effects.min()), float(effects.max())
    width = (high - low) / BINS or 1.0
    bins = ((effects - low) / width).astype(int)
    heights = np.zeros(len(effects))
    fullest = max(int(np.bincount(bins).max()), 1)
    for one in np.unique(bins):
        members = np.flatnonzero(bins == one)
        steps = np.arange(len(members)) - (len(members) - 1) / 2
        heights[members] = steps * min(2 * LANES / fullest, 0.08)
    return heights
