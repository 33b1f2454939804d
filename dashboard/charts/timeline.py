"""Measurements on a real time axis, with what each stretch of time does to the score below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.charts.style import BLUE, GREY, TEAL, VERMILLION, quiet_layout
from dashboard.numbers import signed

if TYPE_CHECKING:
    import pandas as pd

Figure = dict[str, Any]

ROW = 100
"""Height of one trace in pixels."""

STRIP = 0.2
"""Part of a trace's height that the effects below it take."""

GAP = 0.3
"""Part of a row that is left between two traces."""

LABELLED = 6
"""Readings up to which each is written beside its point."""

STRONGEST = 0.5
"""Opacity of the largest effect's strip: dark words on it keep a contrast of 4.5 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one stretch of time does to the score.

    Attributes:
        start: Hour at which it begins.
        end: Hour at which it ends.
        effect: In logits (or the output's own unit).
        error: Standard error, or None.
        measured: Measurements in it.
    """

    start: float
    end: float
    effect: float
    error: float | None
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One variable over time.

    Attributes:
        label: Words and unit.
        hours: When it was measured.
        readings: What was found.
        normal: Reference range, or None where there is none.
        effect: Of the whole variable.
        stretches: Effects below the trace.
    """

    label: str
    hours: tuple[float, ...]
    readings: tuple[float, ...]
    normal: tuple[float | None, float | None]
    effect: float
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineChart:
    """Traces under the risk as it was known at every hour.

    Attributes:
        hours: Length of the window.
        traces: Variables, the ones that matter most first.
        risk: (hour, probability or score).
        risk_label: Words for the uppermost axis.
        threshold: Threshold on the same scale, or None.
    """

    hours: float
    traces: tuple[Trace, ...]
    risk: tuple[tuple[float, float], ...]
    risk_label: str
    threshold: float | None = None

    @property
    def alt(self) -> str:
        """Return the course of the risk and the strongest stretches in words."""
        found = sorted(
            ((s, t.label) for t in self.traces for s in t.stretches),
            key=lambda x: -abs(x[0].effect),
        )
        told = "; ".join(
            f"{label} {s.start:g} to {s.end:g} h {signed(s.effect)}" for s, label in found[:4]
        )
        course = ""
        if self.risk:
            course = (
                f"{self.risk_label} {self.risk[0][1]:.2f} at first, {self.risk[-1][1]:.2f} now. "
            )
        return f"{course}Strongest stretches of time: {told or 'none'}."

    def frame(self) -> pd.DataFrame:
        """Return every stretch of every shown variable with its effect."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Variable": trace.label,
                    "From hour": one.start,
                    "To hour": one.end,
                    "Measurements": one.measured,
                    "Effect": one.effect,
                    "Standard error": one.error,
                }
                for trace in self.traces
                for one in trace.stretches
            ]
        )

    def figure(self) -> Figure:
        """Return one panel per variable over a shared clock; the risk stands on top."""
        rows = len(self.traces) + bool(self.risk)
        data: list[dict[str, Any]] = []
        shapes: list[dict[str, Any]] = []
        notes: list[dict[str, Any]] = []
        axes: dict[str, Any] = {}
        place = 0
        if self.risk:
            data.append(_risk_line(self.risk))
            top, bottom = _domain(0, rows)
            axes["yaxis"] = _axis(bottom, top)
            shapes += _threshold(self.threshold, self.hours)
            notes.append(_title(self.risk_label, top))
            place = 1
        largest = max((abs(s.effect) for t in self.traces for s in t.stretches), default=0.0) or 1.0
        for trace in self.traces:
            number = place + 1
            name = "y" if number == 1 else f"y{number}"
            top, bottom = _domain(place, rows)
            data.append(_line(trace, name))
            low, high = _extent(trace)
            floor = low - (high - low) * STRIP / (1 - STRIP)
            axes["yaxis" if number == 1 else f"yaxis{number}"] = _axis(
                bottom, top, extent=(floor, high), shown=_ticks(trace, low, high)
            )
            notes.append(_title(_told(trace), top))
            shapes += _band(trace, name, low, high, self.hours)
            shapes += [_strip(one, name, low, floor, largest) for one in trace.stretches]
            notes += _effects(trace, name, (low + floor) / 2, largest)
            place += 1
        layout = quiet_layout(
            height=70 + ROW * rows,
            showlegend=False,
            hovermode="closest",
            shapes=shapes,
            annotations=notes,
            margin={"l": 8, "r": 8, "t": 12, "b": 40},
            xaxis={
                "title": "hours",
                "range": [0, self.hours],
                "anchor": "free",
                "position": 0,
                "dtick": _hour_tick(self.hours),
                "zeroline": False,
            },
        )
        base = layout.pop("yaxis")
        for name, axis in axes.items():
            layout[name] = {**base, **axis}
        return {"data": data, "layout": layout}


def _domain(place: int, rows: int) -> tuple[float, float]:
    """Return top and bottom of a row as shares of the figure's height."""
    step = 1 / rows
    return 1 - place * step - step * GAP, 1 - (place + 1) * step


def _title(text: str, top: float) -> dict[str, Any]:
    """Write a panel's name above it, where it is read without turning the head."""
    return {
        "x": 0, "xref": "paper", "xanchor": "left", "y": min(1.0, top), "yref": "paper",
        "yanchor": "bottom", "text": text, "showarrow": False, "font": {"size": 12},
    }  # fmt: skip


def _axis(
    bottom: float,
    top: float,
    *,
    extent: tuple[float, float] | None = None,
    shown: list[float] | None = None,
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "domain": [max(0.0, bottom), min(1.0, top)],
        "title": {"text": ""},
        "zeroline": False,
        "showgrid": False,
        "automargin": True,
    }
    if extent is not None:
        out |= {"range": list(extent), "tickvals": shown}
    return out


def _risk_line(risk: tuple[tuple[float, float], ...]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [hour for hour, _ in risk],
        "y": [value for _, value in risk],
        "yaxis": "y",
        "line": {"color": TEAL, "width": 2},
        "marker": {"size": 5},
        "hovertemplate": "known by hour %{x:g}: %{y:.2f}<extra></extra>",
    }


def _threshold(threshold: float | None, hours: float) -> list[dict[str, Any]]:
    if threshold is None:
        return []
    return [
        {
            "type": "line", "x0": 0, "x1": hours, "y0": threshold, "y1": threshold, "yref": "y",
            "line": {"color": GREY, "width": 1, "dash": "dot"},
        }
    ]  # fmt: skip


def _line(trace: Trace, axis: str) -> dict[str, Any]:
    few = len(trace.readings) <= LABELLED
    return {
        "type": "scatter",
        "mode": "lines+markers+text" if few else "lines+markers",
        "x": list(trace.hours),
        "y": list(trace.readings),
        "text": [f"{reading:.4g}" for reading in trace.readings] if few else None,
        "textposition": "top center",
        "textfont": {"size": 11},
        "cliponaxis": False,
        "yaxis": axis,
        "line": {"color": GREY, "width": 1.2},
        "marker": {"size": 6, "color": GREY},
        "hovertemplate": f"{trace.label} at hour %{{x:.1f}}: %{{y:g}}<extra></extra>",
    }


def _extent(trace: Trace) -> tuple[float, float]:
    found = [*trace.readings, *(edge for edge in trace.normal if edge is not None)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    width = high - low or abs(high) or 1.0
    # A reference band that ends inside its panel, and room for what is written above a reading.
    return low - 0.2 * width, high + (0.5 if len(trace.readings) <= LABELLED else 0.2) * width


def _told(trace: Trace) -> str:
    """Return a panel's name: the variable, that it was never measured, and its whole effect."""
    known = "" if trace.readings else "not measured, "
    return f"{trace.label}: {known}in all {signed(trace.effect)}"


def _ticks(trace: Trace, low: float, high: float) -> list[float]:
    """Return the limits of the reference range, else two round values inside the extent."""
    limits = [limit for limit in trace.normal if limit is not None]
    if limits:
        return limits
    span = high - low
    digits = 0 if span > 8 else (1 if span > 0.8 else 2)  # noqa: PLR2004 - what is legible
    return [round(low + span * share, digits) for share in (0.2, 0.85)]


def _band(trace: Trace, axis: str, low: float, high: float, hours: float) -> list[dict[str, Any]]:
    if trace.normal == (None, None):
        return []
    bottom, top = trace.normal
    return [
        {
            "type": "rect", "layer": "below", "x0": 0, "x1": hours, "yref": axis,
            "y0": low if bottom is None else bottom, "y1": high if top is None else top,
            "fillcolor": GREY, "opacity": 0.12, "line": {"width": 0},
        }
    ]  # fmt: skip


def _strip(one: Stretch, axis: str, top: float, bottom: float, largest: float) -> dict[str, Any]:
    share = abs(one.effect) / largest
    return {
        "type": "rect",
        "x0": one.start,
        "x1": one.end,
        "yref": axis,
        "y0": bottom,
        "y1": top - (top - bottom) * 0.12,
        "fillcolor": VERMILLION if one.effect >= 0 else BLUE,
        "opacity": 0.06 + (STRONGEST - 0.06) * share,
        "line": {"width": 0.6, "color": GREY},
    }


def _effects(trace: Trace, axis: str, at: float, largest: float) -> list[dict[str, Any]]:
    """Write the effects that matter into their strip; a sign is never told by colour alone."""
    return [
        {
            "x": (one.start + one.end) / 2, "y": at, "yref": axis, "showarrow": False,
            "text": signed(one.effect), "font": {"size": 11},
        }
        for one in trace.stretches
        if abs(one.effect) >= 0.08 * largest
    ]  # fmt: skip


def _hour_tick(hours: float) -> float:
    for step in (1, 2, 3, 6, 12, 24, 48):
        if hours / step <= 12:  # noqa: PLR2004 - as many labels as fit
            return step
    return hours / 12
