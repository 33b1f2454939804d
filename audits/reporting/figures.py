"""Forest plots as vector SVG: the same bytes every time, text as text."""

from __future__ import annotations

from collections.abc import Sequence

from audits.reporting.charts import Chart, ChartRow, Mark, Panel
from audits.reporting.curves import Curves
from audits.reporting.curves_drawing import curves_svg
from audits.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    QUIET,
    RULE,
    WIDTH,
    Drawing,
    across,
    legend,
    ticks,
)
from audits.reporting.trends import Trends
from audits.reporting.trends_drawing import trends_svg
from audits.reporting.words import word

MARKS: dict[str, tuple[str, str, bool]] = {
    "disparity": (ORANGE, "D", True),
    "equivalent": (BLUE, "o", True),
    "inconclusive": (GREY, "o", False),
    "not_evaluable": (GREY, "x", True),
    "exploratory": (GREY, "s", False),
}
"""Colour, shape and fill of a verdict; the shapes repeat the glossary's symbols."""

_LABELS = 1.45
_GAP = 0.22
_ROW = 0.185
_TOP = 0.34
_BOTTOM = 0.52


def chart_svg(chart: Chart | Curves | Trends) -> str:
    """Return a chart as SVG; equal data give equal bytes.

    Every mark has a ``<title>`` that says its group, value, interval and verdict.
    """
    if isinstance(chart, Curves):
        return curves_svg(chart)
    if isinstance(chart, Trends):
        return trends_svg(chart)
    drawing = Drawing(height=_TOP + _ROW * len(chart.rows) + _BOTTOM)
    for at, panel in enumerate(chart.panels):
        _draw_panel(drawing, panel, chart.rows, at, len(chart.panels))
    for y, row in enumerate(chart.rows):
        drawing.text(
            0.02 if row.heading else 0.12,
            _middle(y) + 0.04,
            row.label,
            colour=QUIET if row.heading else INK,
            italic=row.heading,
        )
    named = [(_label(verdict), *MARKS[verdict]) for verdict in chart.verdicts]
    legend(drawing, named, left=_LABELS, top=drawing.height - 0.12)
    return drawing.svg(chart.id)


def _label(verdict: str) -> str:
    return "no verdict" if verdict == "exploratory" else word("verdict", verdict).lower()


def _middle(y: int) -> float:
    """Return the middle of a row, inches from the top."""
    return _TOP + (y + 0.5) * _ROW


def _draw_panel(
    drawing: Drawing, panel: Panel, rows: Sequence[ChartRow], at: int, panels: int
) -> None:
    wide = (WIDTH - _LABELS - _GAP * panels) / panels
    left = _LABELS + at * (wide + _GAP)
    place = (left, left + wide)
    shown = [(y, row.marks[at]) for y, row in enumerate(rows) if not row.heading]
    span = _range([mark for _, mark in shown], panel)
    bottom = _TOP + _ROW * len(rows)
    drawing.text(left, _TOP - 0.1, panel.title, size=9)
    for y, _ in shown:
        drawing.line((left, _middle(y)), (place[1], _middle(y)), colour=RULE, width=0.5, layer=0)
    drawing.line((left, bottom), (place[1], bottom), colour=RULE, width=0.8)
    for value, words in ticks(*span, panel.unit):
        x = across(value, span, place)
        drawing.line((x, bottom), (x, bottom + 0.035), colour=QUIET, width=0.6)
        drawing.text(x, bottom + 0.16, words, size=8, colour=QUIET, anchor="middle")
    if panel.overall is not None and span[0] <= panel.overall <= span[1]:
        x = across(panel.overall, span, place)
        drawing.line((x, _TOP), (x, bottom), colour=QUIET, width=0.9, dotted=True, layer=2)
    for y, mark in shown:
        if mark.value is not None:
            _draw_mark(drawing, mark, _middle(y), span, place)
            drawing.tip((left, _TOP + y * _ROW, wide, _ROW), mark.text)


def _draw_mark(
    drawing: Drawing,
    mark: Mark,
    y: float,
    span: tuple[float, float],
    place: tuple[float, float],
) -> None:
    colour, shape, filled = MARKS[mark.verdict or "exploratory"]
    low, high = span
    if mark.low is not None and mark.high is not None and mark.low < high and mark.high > low:
        ends = [across(min(max(x, low), high), span, place) for x in (mark.low, mark.high)]
        drawing.line((ends[0], y), (ends[1], y), colour=colour, width=1.2, layer=3)
    for edge, arrow in zip(span, "<>", strict=True):
        if _goes_beyond(mark, edge, below=arrow == "<"):
            drawing.mark(across(edge, span, place), y, colour=colour, shape=arrow, size=4.0)
    value = float(mark.value or 0.0)
    if low <= value <= high:
        drawing.mark(across(value, span, place), y, colour=colour, shape=shape, filled=filled)


def _range(marks: Sequence[Mark], panel: Panel) -> tuple[float, float]:
    """Return the limits of an axis, so that one vague group does not flatten all others.

    The axis holds every evaluable value and reaches one and a half typical intervals beyond;
    what goes on outside is drawn as an arrow at the edge.
    """
    shown = [m for m in marks if m.value is not None]
    judged = [m for m in shown if m.verdict != "not_evaluable"] or shown
    values = [float(m.value or 0.0) for m in judged]
    values += [] if panel.overall is None else [panel.overall]
    if not values:
        return 0.0, 1.0
    widths = sorted(m.high - m.low for m in judged if m.low is not None and m.high is not None)
    typical = widths[len(widths) // 2] if widths else 0.0
    reach = max(1.5 * typical, 0.15 * (max(values) - min(values)), 0.01)
    ends = [x for m in judged for x in (m.low, m.high) if x is not None]
    low = max(min([*values, *ends]), min(values) - reach)
    high = min(max([*values, *ends]), max(values) + reach)
    room = 0.04 * (high - low) or 0.01
    return low - room, high + room


def _goes_beyond(mark: Mark, edge: float, *, below: bool) -> bool:
    end = mark.low if below else mark.high
    end = mark.value if end is None else end
    return end is not None and (end < edge if below else end > edge)
