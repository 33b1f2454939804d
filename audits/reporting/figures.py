"""Chart data drawn as vector SVG by matplotlib: the same bytes every time, text as text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from audits.reporting.charts import Chart, ChartRow, Mark, Panel
from audits.reporting.words import word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#16252c"
QUIET = "#566870"
RULE = "#d3dad8"
BLUE = "#0065a0"
ORANGE = "#b3431b"
GREY = "#5f7078"

MARKS: dict[str, tuple[str, str, bool]] = {
    "disparity": (ORANGE, "D", True),
    "equivalent": (BLUE, "o", True),
    "inconclusive": (GREY, "o", False),
    "not_evaluable": (GREY, "x", True),
    "exploratory": (GREY, "s", False),
}
"""Colour, shape and fill of a verdict; the shapes repeat the glossary's symbols."""

WIDTH = 6.85  # inches: the width of the text on A4
_LABELS = 1.45
_GAP = 0.22
_ROW = 0.185
_TOP = 0.34
_BOTTOM = 0.52
# matplotlib measures with the font that it carries; the reader's page has the other.
_MEASURED, _SHOWN = "'DejaVu Sans'", "'Libertinus Serif', 'Source Serif 4', Georgia, serif"
# matplotlib's settings are global, so only one chart is drawn at a time.
_DRAWING = Lock()
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "auscult",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "text.color": INK,
    "axes.unicode_minus": True,
}


def chart_svg(chart: Chart) -> str:
    """Return a forest plot as SVG; equal data give equal bytes.

    Every mark has a ``<title>`` that says its group, value, interval and verdict.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    height = _TOP + _ROW * len(chart.rows) + _BOTTOM
    with _DRAWING, mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        for at, panel in enumerate(chart.panels):
            axes = figure.add_axes(_place(at, len(chart.panels), height))
            _draw_panel(axes, panel, chart.rows, at)
            if at == 0:
                _labels(axes, chart.rows)
        _legend(figure, chart.verdicts, height)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    drawn = _own_ids(_body(stream.getvalue()), chart.id).replace(_MEASURED, _SHOWN)
    return _with_titles(drawn, chart, height)


def _place(at: int, panels: int, height: float) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height of a panel as shares of the figure."""
    wide = (WIDTH - _LABELS - _GAP * panels) / panels
    left = _LABELS + at * (wide + _GAP)
    tall = height - _TOP - _BOTTOM
    return left / WIDTH, _BOTTOM / height, wide / WIDTH, tall / height


def _draw_panel(axes: Axes, panel: Panel, rows: Sequence[ChartRow], at: int) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_title(panel.title, fontsize=9, color=INK, loc="left", pad=7)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    lines = [y for y, row in enumerate(rows) if not row.heading]
    across = axes.get_yaxis_transform()
    axes.hlines(lines, 0, 1, color=RULE, linewidth=0.5, zorder=0, transform=across)
    low, high = _range([row.marks[at] for row in rows if not row.heading], panel)
    axes.set_xlim(low, high)
    if panel.overall is not None and low <= panel.overall <= high:
        axes.axvline(panel.overall, color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    for verdict in MARKS:
        found = [
            (y, mark)
            for y, row in enumerate(rows)
            if not row.heading and (mark := row.marks[at]).value is not None
            if (mark.verdict or "exploratory") == verdict
        ]
        if found:
            _draw_marks(axes, found, verdict, (low, high))
    _ticks(axes, panel)


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


def _draw_marks(
    axes: Axes, found: Sequence[tuple[int, Mark]], verdict: str, span: tuple[float, float]
) -> None:
    colour, shape, filled = MARKS[verdict]
    spans = [(y, m.low, m.high) for y, m in found if m.low is not None and m.high is not None]
    if spans:
        ys, lows, highs = zip(*spans, strict=True)
        axes.hlines(ys, lows, highs, color=colour, linewidth=1.2, zorder=2)
    for edge, arrow in zip(span, "<>", strict=True):
        beyond = [y for y, m in found if _goes_beyond(m, edge, below=arrow == "<")]
        axes.plot(
            [edge] * len(beyond), beyond, linestyle="none", marker=arrow, markersize=4,
            color=colour, clip_on=False, zorder=3,
        )  # fmt: skip
    inside = [(y, m) for y, m in found if span[0] <= float(m.value or 0.0) <= span[1]]
    axes.plot(
        [float(mark.value or 0.0) for _, mark in inside],
        [y for y, _ in inside],
        linestyle="none",
        marker=shape,
        markersize=4.6,
        markerfacecolor=colour if filled else "#ffffff",
        markeredgecolor=colour,
        markeredgewidth=1.2,
        zorder=3,
    )


def _goes_beyond(mark: Mark, edge: float, *, below: bool) -> bool:
    end = mark.low if below else mark.high
    end = mark.value if end is None else end
    return end is not None and (end < edge if below else end > edge)


def _ticks(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]))
    if panel.unit == "percent":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g} %"))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.4g}".replace("-", "−")))
    axes.tick_params(axis="x", length=2.5, width=0.6, labelsize=8)


def _labels(axes: Axes, rows: Sequence[ChartRow]) -> None:
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    figure = axes.figure
    inches = figure.dpi_scale_trans
    for y, row in enumerate(rows):
        indent = 0.02 if row.heading else 0.12
        edge = blended_transform_factory(figure.transFigure, axes.transData)
        axes.text(
            0,
            y,
            row.label,
            transform=edge + ScaledTranslation(indent, 0, inches),
            verticalalignment="center",
            color=QUIET if row.heading else INK,
            fontstyle="italic" if row.heading else "normal",
            clip_on=False,
        )


def _legend(figure: Figure, verdicts: Sequence[str], height: float) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for verdict in verdicts:
        colour, shape, filled = MARKS[verdict]
        label = "no verdict" if verdict == "exploratory" else word("verdict", verdict).lower()
        face = colour if filled else "#ffffff"
        handles.append(
            Line2D([], [], linestyle="none", marker=shape, markersize=4.6, label=label,
                   markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.2)
        )  # fmt: skip
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(_LABELS / WIDTH - 0.012, -0.02 / height),
        ncols=max(len(handles), 1),
        frameon=False,
        fontsize=8,
        handletextpad=0.1,
        columnspacing=1.6,
        labelcolor=QUIET,
    )


def _body(svg: str) -> str:
    """Drop the XML declaration and the metadata, which hold nothing to read."""
    svg = svg[svg.index("<svg") :]
    start, end = svg.find("<metadata>"), svg.find("</metadata>")
    return svg[:start].rstrip(" ") + svg[end + len("</metadata>") :] if start >= 0 else svg


def _own_ids(svg: str, name: str) -> str:
    """Make ids unique among the charts of one page, and the style the chart's own."""
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r'(id="|href="#|url\(#)([mp][0-9a-f]{6,})', rf"\1{name}-\2", svg)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg", '<svg stroke-linejoin="round" stroke-linecap="butt"', 1)


def _with_titles(svg: str, chart: Chart, height: float) -> str:
    """Lay an invisible rectangle with a title over every mark, so that a pointer can read it."""
    points = 72.0
    overlays = []
    for at in range(len(chart.panels)):
        left, _, wide, _ = _place(at, len(chart.panels), height)
        for y, row in enumerate(chart.rows):
            if row.heading or row.marks[at].value is None:
                continue
            top = (_TOP + y * _ROW) * points
            title = escape(row.marks[at].text)
            overlays.append(
                f'<rect x="{left * WIDTH * points:.2f}" y="{top:.2f}" '
                f'width="{wide * WIDTH * points:.2f}" height="{_ROW * points:.2f}" '
                f'fill="#000000" fill-opacity="0"><title>{title}</title></rect>'
            )
    return svg.replace("</svg>", "".join(overlays) + "</svg>")
