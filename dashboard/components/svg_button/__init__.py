"""A button that saves a chart of the page as SVG, drawn by the browser that shows it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "auscult_svg_button",
    html='<button type="button"></button>',
    css=(_HERE / "svg_button.css").read_text(encoding="utf-8"),
    js=(_HERE / "svg_button.js").read_text(encoding="utf-8"),
)


def svg_button(chart: str, *, title: str, key: str) -> None:
    """Show the button.

    Args:
        chart: Key of the chart on this page; also the name of the file.
        title: What the chart shows, kept in the file as its title.
        key: Key of the button.
    """
    _MOUNT(data={"chart": chart, "title": title}, key=key, height="content")
