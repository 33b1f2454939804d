"""Image viewer: window and level, zoom, map as outline or heat, all in the browser.

One ``bytes`` payload carries everything; a dictionary with bytes inside would silently arrive as
text, and a two-dimensional array as a table with a column per pixel column.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.components.image_viewer.payload import MapLayer, Picture, Window, pack

_HERE = Path(__file__).parent
_SCRIPTS = ("pixels.js", "overlay.js", "planes.js", "viewer.js")
"""One module of several files: a component takes one text and loads nothing."""

_MOUNT = st.components.v2.component(
    "auscult_image_viewer",
    html=(_HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
)


def image_viewer(payload: bytes, *, key: str) -> tuple[int, ...] | None:
    """Show a packed image with its map.

    Args:
        payload: What :func:`pack` returned.
        key: Keep it the same from case to case: the viewer then swaps the image in place.

    Returns:
        The pixel of the stored image that the reader has just named, or None: nothing else is
        sent back.
    """
    told = _MOUNT(data=payload, key=key, height="content", on_pixel_change=_heard)
    pixel = getattr(told, "pixel", None)
    return tuple(int(place) for place in pixel) if pixel else None


def _heard() -> None:
    """Let the page run again; what was named is read from the component's result."""


__all__ = ["MapLayer", "Picture", "Window", "image_viewer", "pack"]
