"""Keys of the session and of the address line, and the only code that writes them.

A key that is bound to the address line carries ids, never patient data. State holds ids only:
frames and arrays live in the caches of :mod:`dashboard.queries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

RUN: Final = "run"
MODEL: Final = "model"
OUTPUT: Final = "output"
CASE: Final = "case"
METRIC: Final = "metric"
BASE: Final = "base"
CANDIDATE: Final = "candidate"
SECTION: Final = "section"
SHOW: Final = "show"
GROUP: Final = "group"
BLIND: Final = "blind"
COHORT: Final = "cohort"
BESIDE: Final = "beside"

Key = Literal[
    "run",
    "model",
    "output",
    "case",
    "metric",
    "base",
    "candidate",
    "section",
    "show",
    "group",
    "cohort",
    "beside",
]

_IN_ADDRESS: Final[tuple[Key, ...]] = (
    RUN,
    MODEL,
    OUTPUT,
    CASE,
    METRIC,
    BASE,
    CANDIDATE,
    SECTION,
    SHOW,
    GROUP,
    COHORT,
    BESIDE,
)
_SEEN: Final = "_address_seen"
_LINKED: Final = "_linked"
_KEPT: Final = "_kept"
_EXPLORED: Final = "_explored"


def read_address() -> None:
    """Take over what a link, or the browser's back button, says; before any widget is drawn.

    Streamlit's own binding writes the words of an option into the address and drops a value that
    equals today's default. A link must name ids, and mean the same tomorrow.
    """
    seen: dict[str, str] = st.session_state.setdefault(_SEEN, {})
    linked: dict[str, str] = {}
    for key in _IN_ADDRESS:
        value = st.query_params.get(key)
        if value is not None and value != seen.get(key):
            st.session_state[key] = value
            seen[key] = linked[key] = value
    st.session_state[_LINKED] = linked


def linked(key: Key) -> str | None:
    """Return what a link has just asked for, or None where a choice was made on the page."""
    found: dict[str, str] = st.session_state.get(_LINKED, {})
    return found.get(key)


def write_address() -> None:
    """Put the present choices into the address; after the widgets are drawn."""
    seen: dict[str, str] = st.session_state.setdefault(_SEEN, {})
    for key in _IN_ADDRESS:
        value = known(key)
        if value and st.query_params.get(key) != value:
            st.query_params[key] = value
        elif not value and key in st.query_params:
            del st.query_params[key]
        seen[key] = value or ""


def restore(key: str, options: Sequence[str], default: str) -> None:
    """Before a widget is drawn, bring back what was chosen, on whichever page that was.

    Streamlit forgets a widget's value when a page does not draw it. A choice that the options no
    longer hold gives way to ``default``.
    """
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    value = st.session_state.get(key, kept.get(key, default))
    st.session_state[key] = value if value in options else default


def restore_text(key: str) -> None:
    """Before a text field is drawn, bring back what was typed, on whichever page that was."""
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    st.session_state[key] = st.session_state.get(key, kept.get(key, ""))


def restore_flag(key: str) -> None:
    """Before a toggle is drawn, bring back how it stood, on whichever page that was."""
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    st.session_state[key] = bool(st.session_state.get(key, kept.get(key, False)))


def keep(key: str) -> None:
    """After a widget is drawn, remember its value for other pages."""
    st.session_state.setdefault(_KEPT, {})[key] = st.session_state[key]


def known(key: str) -> str | None:
    """Return what was chosen last, whether or not this page draws the widget."""
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    return st.session_state.get(key) or kept.get(key)


def choose(key: Key, value: str) -> None:
    """Set a choice from a callback, before the widget is drawn again, and keep it for later."""
    st.session_state[key] = value
    st.session_state.setdefault(_KEPT, {})[key] = value


def selected_rows(table: str) -> list[int]:
    """Return the rows selected in a table, in the order of the table shown."""
    state = st.session_state.get(table)
    selection = getattr(state, "selection", None) or (state or {}).get("selection", {})
    rows = selection.get("rows", []) if hasattr(selection, "get") else selection.rows
    return [int(row) for row in rows]


def set_widget(key: str, value: float) -> None:
    """Set a widget's value from a callback, before it is drawn again."""
    st.session_state[key] = value


def mark_exploring(subject: str, threshold: float | None) -> None:
    """Remember which threshold is being explored; verdicts about the subject then turn grey.

    Args:
        subject: The run, model and output that the slider is about.
        threshold: The explored threshold, or None at the declared one.
    """
    explored: dict[str, float] = st.session_state.setdefault(_EXPLORED, {})
    explored.pop(subject, None)
    if threshold is not None:
        explored[subject] = threshold


def exploring(subject: str) -> float | None:
    """Return the threshold that is being explored for the subject, if any."""
    explored: dict[str, float] = st.session_state.setdefault(_EXPLORED, {})
    return explored.get(subject)
