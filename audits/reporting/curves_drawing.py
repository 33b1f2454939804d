"""Reliability curves drawn: observed against predicted risk, the diagonal for perfect agreement."""

from __future__ import annotations

from audits.reporting.curves import CurvePanel, Curves
from audits.reporting.drawing import BLUE, QUIET, RULE, WIDTH, Drawing, across, tick_text

_SIDE = 1.72
_TOP = 0.42
_BOTTOM = 0.42
_LEFT = 0.42
_PANELS = 3
_TARGET = 0.09
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEW = 0.5
"""Below this largest risk an axis ends at a round number, so that rare outcomes fill it."""


def curves_svg(curves: Curves) -> str:
    """Return reliability curves as SVG; every point has a ``<title>`` that says its numbers."""
    drawing = Drawing(height=_TOP + _SIDE + _BOTTOM)
    for at, panel in enumerate(curves.panels):
        _draw(drawing, panel, _LEFT + at * WIDTH / _PANELS)
    return drawing.svg(curves.id)


def _draw(drawing: Drawing, panel: CurvePanel, left: float) -> None:
    right, bottom = left + _SIDE, _TOP + _SIDE
    largest = max(max(p.predicted, p.high) for p in panel.points)
    end = 1.0 if largest > _FEW else next(x for x in (0.05, 0.1, 0.2, _FEW) if largest <= x)
    span, wide, tall = (0.0, end), (left, right), (bottom, _TOP)
    drawing.text(left, _TOP - 0.22, panel.title, size=9)
    drawing.text(left, _TOP - 0.08, panel.note, size=7.5, colour=QUIET)
    for share in _STEPS:
        value = share * end
        x, y = across(value, span, wide), across(value, span, tall)
        drawing.line((left, y), (right, y), colour=RULE, width=0.5, layer=0)
        drawing.line((x, bottom), (x, bottom + 0.035), colour=QUIET, width=0.6)
        drawing.text(x, bottom + 0.16, tick_text(value, "percent"), size=7, colour=QUIET,
                     anchor="middle")  # fmt: skip
        drawing.text(left - 0.05, y + 0.03, tick_text(value, "percent"), size=7, colour=QUIET,
                     anchor="end")  # fmt: skip
    drawing.text((left + right) / 2, bottom + 0.32, "predicted", size=8, colour=QUIET,
                 anchor="middle")  # fmt: skip
    drawing.line((left, bottom), (right, _TOP), colour=QUIET, width=0.9, dotted=True, layer=2)
    before = None
    for point in panel.points:
        x, y = across(point.predicted, span, wide), across(point.observed, span, tall)
        ends = [across(v, span, tall) for v in (point.low, point.high)]
        drawing.line((x, ends[0]), (x, ends[1]), colour=BLUE, width=1.2, layer=3)
        if before is not None:
            drawing.line(before, (x, y), colour=BLUE, width=0.8, layer=3)
        before = x, y
        drawing.mark(x, y, colour=BLUE, shape="o", size=3.4)
        drawing.tip((x - _TARGET, y - _TARGET, 2 * _TARGET, 2 * _TARGET), point.text)
