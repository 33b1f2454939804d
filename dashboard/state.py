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
CANDIDATE: Final = "candidate"

Key = Literal["run", "model", "output", "case", "metric", "candidate"]


def choice(key: Key, options: Sequence[str]) -> str | None:
    """Return the chosen option, or None where the choice is not (or no longer) on offer."""
    value = st.session_state.get(key)
    return value if value in options else None


def keep_valid(key: Key, options: Sequence[str], default: str) -> None:
    """Before a widget is drawn, replace a choice that its options no longer hold."""
    if key in st.session_state and st.session_state[key] not in options:
        st.session_state[key] = default


def choose(key: Key, value: str) -> None:
    """Set a choice from a callback, before the widget is drawn again."""
    st.session_state[key] = value


def forget(key: Key) -> None:
    """Drop a choice from a callback."""
    st.session_state.pop(key, None)


def selected_rows(table: str) -> list[int]:
    """Return the rows selected in a table, in the order of the table shown."""
    state = st.session_state.get(table)
    selection = getattr(state, "selection", None) or (state or {}).get("selection", {})
    rows = selection.get("rows", []) if hasattr(selection, "get") else selection.rows
    return [int(row) for row in rows]
