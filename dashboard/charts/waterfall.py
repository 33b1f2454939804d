"""Effects of a patient's variables on the score: from the background's average to this score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audits.risk_points import risk_of, risk_points
from dashboard.charts.risk_axis import risk_ticks
from dashboard.charts.style import BLUE, GREY, VERMILLION, Figure, quiet_layout, upright
from dashboard.numbers import signed

if TYPE_CHECKING:
    import pandas as pd
EDGE = 0.2
"""Share of the width beside an edge within which a label leans inwards."""
SHOWN = 8
"""Variables shown one by one; what is left is summed, so that the bars still add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One variable's effect.

    Attributes:
        label: Variable and value in words.
        effect: Effect in logits (or the output's own unit).
        error: Standard error, or None where the method is exact.
    """

    label: str
    effect: float
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Effects that lead from the base value to the score.

    Attributes:
        base: Average score of the background cohort.
        score: Score of this patient.
        effects: Every variable; ordered by size when drawn.
        unit: Words for the axis.
        extent: Range of the axis; None for what the effects need.
        risks: Whether the score is log-odds, so that the axis can be read as risk.
        parts: What the players are called where some are summed.
        start: What the base value is the score of.
    """

    base: float
    score: float
    effects: tuple[Effect, ...]
    unit: str = "logits"
    extent: tuple[float, float] | None = None
    risks: bool = False
    parts: str = "variables"
    start: str = "background"

    def bars(self) -> tuple[Effect, ...]:
        """Return the largest effects and, last, the sum of all the others."""
        ranked = sorted(self.effects, key=lambda item: -abs(item.effect))
        if len(ranked) <= SHOWN + 1:
            return tuple(ranked)
        rest = ranked[SHOWN:]
        total = sum(item.effect for item in rest)
        return (*ranked[:SHOWN], Effect(label=f"{len(rest)} other {self.parts}", effect=total))

    @property
    def alt(self) -> str:
        """Return base, score and the strongest effects in both directions."""
        up = [e for e in self.bars() if e.effect > 0][:3]
        down = [e for e in self.bars() if e.effect < 0][:3]

        def told(items: list[Effect]) -> str:
            return "; ".join(f"{e.label} {signed(e.effect)}" for e in items) or "none"

        return (
            f"From the {self.start} average {self._end(self.base)} to this patient's score "
            f"{self._end(self.score)} {self.unit}. Towards: {told(up)}. Away: {told(down)}."
        )

    def frame(self) -> pd.DataFrame:
        """Return every variable with its effect and error, largest first."""
        import pandas as pd

        ranked = sorted(self.effects, key=lambda item: -abs(item.effect))
        held: dict[str, list[Any]] = {
            self.parts[:-1].capitalize(): [e.label for e in ranked],
            f"Effect ({self.unit})": [e.effect for e in ranked],
            "Standard error": [e.error for e in ranked],
        }
        if self.risks:
            points = [risk_points(e.effect, self.score) or 0.0 for e in ranked]
            held["Points of risk"] = [100 * one for one in points]
        return pd.DataFrame(held)

    def _end(self, score: float) -> str:
        return f"{100 * risk_of(score):.1f} % ({signed(score)})" if self.risks else signed(score)

    def figure(self) -> Figure:
        """Return floating bars; towards is filled, away is hatched."""
        bars = self.bars()
        starts, at = [], self.base
        for item in bars:
            starts.append(at)
            at += item.effect
        traces = []
        for towards, colour, pattern, name in (
            (True, VERMILLION, "", "raises the score"),
            (False, BLUE, "/", "lowers the score"),
        ):
            chosen = [i for i, e in enumerate(bars) if (e.effect >= 0) == towards]
            traces.append(_bars(bars, starts, chosen, colour, pattern, name))
        # The way begins above the first bar and ends below the last: two labels never meet.
        ends = (
            (self.base, self.start, -0.6, "bottom"),
            (self.score, "patient", len(bars) - 0.45, "top"),
        )
        low, high = self.extent or self._extent(starts)
        layout = quiet_layout(
            height=130 + 30 * len(bars),
            bargap=0.35,
            shapes=[upright(x) for x, *_ in ends],
            annotations=[
                {
                    "x": x, "y": y, "yanchor": side, "showarrow": False,
                    "xanchor": _anchor((x - low) / (high - low)),
                    "text": f"{text} {self._end(x)}", "font": {"size": 12},
                }
                for x, text, y, side in ends
            ],
            xaxis={
                "title": f"predicted risk ({self.unit})" if self.risks else f"score in {self.unit}",
                "zeroline": False,
                "range": [low, high],
                **(risk_ticks(low, high) if self.risks else {}),
            },
            yaxis={
                "tickvals": list(range(len(bars))),
                "ticktext": [e.label for e in bars],
                "range": [len(bars) + 0.1, -1.4],
                "showgrid": False,
            },
        )  # fmt: skip
        return {"data": traces, "layout": layout}

    def _extent(self, starts: list[float]) -> tuple[float, float]:
        """Return a range that holds every bar with its error, and a margin."""
        found = [self.base, self.score]
        for start, item in zip(starts, self.bars(), strict=True):
            error = item.error or 0.0
            found += [start, start + item.effect - error, start + item.effect + error]
        margin = 0.05 * (max(found) - min(found) or 1.0)
        return min(found) - margin, max(found) + margin


def _anchor(share: float) -> str:
    """Return which side of a label stands at its place, so that it stays inside the chart."""
    if share < EDGE:
        return "left"
    return "right" if share > 1 - EDGE else "center"


def _bars(
    bars: tuple[Effect, ...],
    starts: list[float],
    chosen: list[int],
    colour: str,
    pattern: str,
    name: str,
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "y": chosen,
        "x": [bars[i].effect for i in chosen],
        "base": [starts[i] for i in chosen],
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern, "solidity": 0.25}},
        "error_x": {
            "type": "data",
            "array": [bars[i].error or 0 for i in chosen],
            "thickness": 1.2,
            "width": 3,
            "color": GREY,
        },
        "text": [_effect_text(bars[i]) for i in chosen],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _effect_text(item: Effect) -> str:
    error = f" ± {item.error:.3f}" if item.error else ""
    return f"{item.label}: {signed(item.effect)}{error}"
