"""The report as one self-contained page: no request leaves it, in light, dark and print."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.document import build_document
from audits.reporting.drawing import BLUE, GREY, INK, ORANGE, QUIET, RULE
from audits.reporting.figures import chart_svg
from audits.reporting.signoff.filing import DRAFT, Filing
from audits.reporting.words import day, word

_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    RULE: "var(--rule)",
    BLUE: "var(--equivalent)",
    ORANGE: "var(--disparity)",
    GREY: "var(--inconclusive)",
    "#ffffff": "var(--paper)",
    "#0e5a6b": "var(--accent)",
}
"""Colours of the figures as the page's variables, so that they follow its theme."""


def report_html(evidence: Mapping[str, Any], filing: Filing = DRAFT) -> bytes:
    """Return the report as one HTML file; equal evidence gives equal bytes.

    Args:
        evidence: ``evidence.json`` at any release.
        filing: What people signed of the run, and which profiles the report answers.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["commands"] = _commands
    page = environment.get_template("report.html.j2").render(
        document=build_document(evidence, filing),
        style=_read("report.css"),
        script=_read("report.js"),
        logo=_themed(files("audits.reporting").joinpath("logo.svg").read_text(encoding="utf-8")),
        chart=lambda chart: _themed(chart_svg(chart)),
        symbol=lambda mark: word("verdict", mark, "symbol"),
        day=day,
        digest=PLACEHOLDER,
    )
    return with_digest(page.encode())


def _commands(words: str) -> str:
    """Return escaped words, what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(words.split("`"))
    ]
    return Markup("").join(parts)


def _read(name: str) -> str:
    return files("audits.reporting.html").joinpath(name).read_text(encoding="utf-8")


def _themed(svg: str) -> str:
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"{variable}"').replace(f": {colour}", f": {variable}")
    return svg
