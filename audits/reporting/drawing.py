"""A page-wide drawing in inches: lines and marks by matplotlib, words written as SVG text.

Axes, ticks and text objects of matplotlib cost most of the time of a figure, and its text is
measured with another font than the reader's. So one bare axes holds all panels, its units are
inches from the top left, and words are laid over it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#16252c"
QUIET = "#566870"
RULE = "#d3dad8"
BLUE = "#0065a0"
ORANGE = "#b3431b"
GREY = "#5f7078"

WIDTH = 6.85  # inches: the width of the text on A4
POINTS = 72.0
_FONT = "'Libertinus Serif', 'Source Serif 4', Georgia, serif"
# matplotlib's settings are global, so only one chart is drawn at a time.
_DRAWING = Lock()
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "auscult"}


@dataclass(slots=True)
class Drawing:
    """A figure in the making.

    Attributes:
        height: Height in inches.
        words: SVG laid over the lines: texts, and areas that a pointer can read.
        lines: Segments by colour, width and dash.
        marks: Points by colour, shape and fill.
    """

    height: float
    words: list[str] = field(default_factory=list)
    lines: dict[tuple[str, float, bool, int], list[Any]] = field(default_factory=dict)
    marks: dict[tuple[str, str, bool, float], list[tuple[float, float]]] = field(
        default_factory=dict
    )

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        colour: str,
        width: float,
        dotted: bool = False,
        layer: int = 1,
    ) -> None:
        """Draw a line between two points; a higher layer lies above."""
        self.lines.setdefault((colour, width, dotted, layer), []).append((start, end))

    def mark(
        self, x: float, y: float, *, colour: str, shape: str, filled: bool = True, size: float = 4.6
    ) -> None:
        """Draw a mark of matplotlib's shape."""
        self.marks.setdefault((colour, shape, filled, size), []).append((x, y))

    def text(  # noqa: PLR0913 - a place and how it is set
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 8.5,
        colour: str = INK,
        anchor: str = "start",
        italic: bool = False,
    ) -> None:
        """Write words with their baseline at ``y``."""
        style = "font-style: italic; " if italic else ""
        self.words.append(
            f'<text x="{x * POINTS:.2f}" y="{y * POINTS:.2f}" text-anchor="{anchor}" '
            f'style="{style}font-size: {size}px; font-family: {_FONT}; fill: {colour}">'
            f"{escape(words)}</text>"
        )

    def tip(self, place: tuple[float, float, float, float], words: str) -> None:
        """Let a pointer read words over an area: left, top, width and height."""
        left, top, wide, tall = (round(POINTS * x, 2) for x in place)
        self.words.append(
            f'<rect x="{left:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{tall:.2f}" '
            f'fill="#000000" fill-opacity="0"><title>{escape(words)}</title></rect>'
        )

    def svg(self, name: str) -> str:
        """Return the drawing; ``name`` keeps its ids apart from those of other charts."""
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        with _DRAWING, mpl.rc_context(_SETTINGS):
            figure = Figure(figsize=(WIDTH, self.height))
            FigureCanvasSVG(figure)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.set_xlim(0, WIDTH)
            axes.set_ylim(self.height, 0)
            self._draw(axes)
            stream = io.StringIO()
            figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
        drawn = _own_ids(_body(stream.getvalue()), name)
        return drawn.replace("</svg>", "".join(self.words) + "</svg>")

    def _draw(self, axes: Axes) -> None:
        from matplotlib.collections import LineCollection

        for (colour, width, dotted, layer), segments in sorted(
            self.lines.items(), key=lambda item: item[0][3]
        ):
            axes.add_collection(
                LineCollection(
                    segments,
                    colors=colour,
                    linewidths=width,
                    linestyles=[(0, (1, 2))] if dotted else "solid",
                    zorder=layer,
                ),
                autolim=False,
            )
        for (colour, shape, filled, size), found in self.marks.items():
            axes.plot(
                [x for x, _ in found],
                [y for _, y in found],
                linestyle="none",
                marker=shape,
                markersize=size,
                markerfacecolor=colour if filled else "#ffffff",
                markeredgecolor=colour,
                markeredgewidth=1.2 if size > 4 else 0.8,  # noqa: PLR2004 - an arrow is small
                clip_on=False,
                zorder=9,
            )


def ticks(low: float, high: float, unit: str) -> list[tuple[float, str]]:
    """Return round places on an axis with what is written there."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [float(x) for x in found if low <= x <= high]
    return [(x, tick_text(x, unit)) for x in inside]


def tick_text(value: float, unit: str) -> str:
    """Return a tick's words in the unit of its axis.

    Example:
        >>> tick_text(0.25, "percent"), tick_text(-0.5, "number")
        ('25 %', '−0.5')
    """
    shown = f"{100 * value:.4g} %" if unit == "percent" else f"{value:.4g}"
    return shown.replace("-", "−")


def across(value: float, span: tuple[float, float], place: tuple[float, float]) -> float:
    """Return where a value lies in inches: ``span`` are an axis' limits, ``place`` its ends."""
    low, high = span
    return place[0] + (value - low) / ((high - low) or 1.0) * (place[1] - place[0])


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


def legend(
    drawing: Drawing,
    entries: Sequence[tuple[str, str, str, bool]],
    *,
    left: float,
    top: float,
) -> None:
    """Write a legend in one line: label, colour, shape and fill of each mark."""
    x = left
    for label, colour, shape, filled in entries:
        drawing.mark(x + 0.04, top, colour=colour, shape=shape, filled=filled)
        drawing.text(x + 0.13, top + 0.035, label, size=8, colour=QUIET)
        x += 0.30 + 0.058 * len(label)
