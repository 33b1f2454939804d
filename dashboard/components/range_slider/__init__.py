"""A slider whose value arrives while it moves; Streamlit's own waits until it rests.

It is the browser's own range input: arrow keys, Home, End and screen readers work as everywhere.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "auscult_range_slider",
    html=(_HERE / "range_slider.html").read_text(encoding="utf-8"),
    css=(_HERE / "range_slider.css").read_text(encoding="utf-8"),
    js=(_HERE / "range_slider.js").read_text(encoding="utf-8"),
)


def range_slider(label: str, *, start: float, step: float, key: str) -> float:
    """Show a slider from 0 to 1 and return where it stands.

    Args:
        label: Its name, shown above it.
        start: Where it stands at first.
        step: Distance of two values.
        key: Its value in the session's state, which stays across pages; set it there to move the
            slider.
    """
    value = float(st.session_state.setdefault(key, start))
    moves = f"_moves_{key}"
    at, known = st.session_state.get(moves, (0, None))
    if known != value:  # moved by something else than the reader's hand
        at += 1
        st.session_state[moves] = (at, value)
    _MOUNT(
        data={"label": label, "value": value, "step": step, "turn": at},
        key=f"slider_{key}",
        height="content",
        on_value_change=partial(_heard, key),
    )
    return value


def _heard(key: str) -> None:
    """Keep what the reader has set."""
    value = getattr(st.session_state[f"slider_{key}"], "value", None)
    if value is None:
        return
    held = min(max(float(value), 0.0), 1.0)
    at, _ = st.session_state.get(f"_moves_{key}", (0, None))
    st.session_state[key], st.session_state[f"_moves_{key}"] = held, (at, held)


__all__ = ["range_slider"]
