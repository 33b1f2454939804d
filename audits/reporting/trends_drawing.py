"""Rates over time drawn: one panel under the other, intervals as lines, time to the right."""

from __future__ import annotations

from audits.reporting.drawing import (
    BLUE,
    INK,
    QUIET,
    RULE,
    WIDTH,
    Drawing,
    across,
    tick_text,
    ticks,
)
from audits.reporting.trends import Month, TrendPanel, Trends

_TALL = 0.78
_GAP = 0.36
_TOP = 0.26
_BOTTOM = 0.3
_LEFT, _RIGHT = 0.48, WIDTH - 0.1
_LABELS = 10
"""Months named on the axis at most."""
_FITTING = 0.9


def trends_svg(trends: Trends) -> str:
    """Return rates over time as SVG; every point has a ``<title>`` that says its numbers."""
    count = len(trends.panels)
    drawing = Drawing(height=_TOP + count * _TALL + (count - 1) * _GAP + _BOTTOM)
    names = sorted({m.name for p in trends.panels for m in p.months})
    for at, panel in enumerate(trends.panels):
        _draw(drawing, panel, names, _TOP + at * (_TALL + _GAP))
    bottom = _TOP + count * _TALL + (count - 1) * _GAP
    step = -(-len(names) // _LABELS)
    for name in names[::step]:
        x = _place(name, names)
        drawing.line((x, bottom), (x, bottom + 0.035), colour=QUIET, width=0.6)
        drawing.text(x, bottom + 0.17, name, size=7, colour=QUIET, anchor="middle")
    return drawing.svg(trends.id)


def _place(name: str, names: list[str]) -> float:
    return across(names.index(name) + 0.5, (0.0, float(len(names))), (_LEFT, _RIGHT))


def _highest(shown: list[Month]) -> float:
    """Return the end of the axis: every rate fits, and nine of ten intervals."""
    upper = sorted(m.high or 0.0 for m in shown)
    rates = max(m.value or 0.0 for m in shown)
    return max(rates, upper[int(_FITTING * (len(upper) - 1))]) or 1.0


def _draw(drawing: Drawing, panel: TrendPanel, names: list[str], top: float) -> None:
    shown = [m for m in panel.months if m.value is not None]
    span = (0.0, _highest(shown))
    place = (top + _TALL, top)
    drawing.text(_LEFT, top - 0.08, panel.title, size=8.5, colour=INK)
    for value, _ in ticks(*span, "percent"):
        y = across(value, span, place)
        drawing.line((_LEFT, y), (_RIGHT, y), colour=RULE, width=0.5, layer=0)
        drawing.text(_LEFT - 0.06, y + 0.03, tick_text(value, "percent"), size=7, colour=QUIET,
                     anchor="end")  # fmt: skip
    before = None
    for month in panel.months:
        before = _point(drawing, month, _place(month.name, names), span, place, before)


def _point(
    drawing: Drawing,
    month: Month,
    x: float,
    span: tuple[float, float],
    place: tuple[float, float],
    before: tuple[float, float] | None,
) -> tuple[float, float] | None:
    """Draw one month and return where it lies; a masked one interrupts the line."""
    if month.value is None:
        return None
    y = across(month.value, span, place)
    if month.low is not None and month.high is not None:
        # The interval of a month with few cases may leave the panel: it is cut at its edge.
        ends = [across(min(v, span[1]), span, place) for v in (month.low, month.high)]
        drawing.line((x, ends[0]), (x, ends[1]), colour=BLUE, width=0.7, layer=2)
    if before is not None:
        drawing.line(before, (x, y), colour=BLUE, width=0.9, layer=3)
    drawing.mark(x, y, colour=BLUE, shape="o", size=2.6)
    drawing.tip((x - 0.05, place[1], 0.1, place[0] - place[1]), month.text)
    return x, y
