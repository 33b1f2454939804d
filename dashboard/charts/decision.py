"""Decision curves: what acting on the model is worth at each threshold, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import GREY, MARK_COLOURS, Figure, level, quiet_layout

if TYPE_CHECKING:
    import pandas as pd

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
COLOURS = tuple(colour for colour in MARK_COLOURS if colour != GREY)
"""Grey is what flagging everybody looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Net benefit of one group over the thresholds, with its limits and that of flagging all."""

    group: str
    n: int
    thresholds: tuple[float, ...]
    benefit: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    treat_all: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCurves:
    """Decision curves of a few groups.

    Attributes:
        curves: Everybody first.
        declared: The declared threshold, or None.
    """

    curves: tuple[Curve, ...]
    declared: float | None

    @property
    def alt(self) -> str:
        """Return, for each group, from where on the model is worth nothing."""
        told = []
        for curve in self.curves:
            at = [
                t
                for t, b, a in zip(curve.thresholds, curve.benefit, curve.treat_all, strict=True)
                if b is not None and b > max(a or 0.0, 0.0)
            ]
            reach = f"{min(at):.0%} to {max(at):.0%}" if at else "none"
            told.append(f"{curve.group} (n {curve.n:,}): {reach}")
        return (
            "Net benefit against the threshold. Thresholds at which the model is worth more than "
            f"flagging everybody or nobody: {'; '.join(told)}."
        )

    def frame(self) -> pd.DataFrame:
        """Return every point with its limits."""
        import pandas as pd

        rows = [
            (c.group, c.n, *point)
            for c in self.curves
            for point in zip(c.thresholds, c.benefit, c.low, c.high, c.treat_all, strict=True)
        ]
        names = ["Group", "n", "Threshold", "Net benefit", "Lower", "Upper", "Flag everybody"]
        return pd.DataFrame(rows, columns=names)

    def figure(self) -> Figure:
        """Return the figure; groups differ by colour and dash, flagging everybody is grey."""
        traces: list[dict[str, Any]] = []
        for index, curve in enumerate(self.curves):
            colour = COLOURS[index % len(COLOURS)]
            told = [
                f"{curve.group}, n {curve.n:,}<br>{b:.3f} ({lo:.3f} to {hi:.3f})"
                if b is not None and lo is not None and hi is not None
                else f"{curve.group}, n {curve.n:,}"
                for b, lo, hi in zip(curve.benefit, curve.low, curve.high, strict=True)
            ]
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "x": curve.thresholds,
                    "y": curve.benefit, "name": curve.group, "text": told,
                    "line": {"color": colour, "width": 2, "dash": DASHES[index % len(DASHES)]},
                    "hovertemplate": "at %{x:.0%}<br>%{text}<extra></extra>",
                }
            )  # fmt: skip
        if self.curves:
            first = self.curves[0]
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "x": first.thresholds,
                    "y": first.treat_all, "name": f"flag everybody ({first.group.lower()})",
                    "line": {"color": GREY, "width": 1.5, "dash": "dot"}, "hoverinfo": "skip",
                }
            )  # fmt: skip
        top = max((b for c in self.curves for b in c.benefit if b is not None), default=0.1)
        layout = quiet_layout(
            height=420,
            shapes=[level(0.0)],
            xaxis={"title": "threshold on the predicted risk", "tickformat": ".0%"},
            yaxis={"title": "net benefit per case", "range": [-0.25 * top, 1.1 * top]},
        )
        if self.declared is not None:
            layout["shapes"].append(
                {
                    "type": "line", "x0": self.declared, "x1": self.declared, "y0": 0, "y1": 1,
                    "yref": "y domain", "line": {"color": GREY, "width": 1, "dash": "dash"},
                }
            )  # fmt: skip
        return {"data": traces, "layout": layout}
