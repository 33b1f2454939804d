"""Choices that stay when the reader goes to another page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import streamlit as st

from dashboard import state
from dashboard.words import label as word_label


def pick_one(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str | None = None,
    format_func: Callable[[str], str] = str,
    width: int | Literal["stretch"] = "stretch",
) -> str:
    """Show a select box and return the choice; there must be at least one option.

    Args:
        label: Label above the box.
        options: Ids to choose from.
        key: Under which the choice is kept.
        default: Chosen at first; the first option where it is not given.
        format_func: From an id to the words shown.
        width: Width of the box in pixels.
    """
    first = options[0] if default is None else default
    state.restore(key, options, first)
    chosen = st.selectbox(label, options, format_func=format_func, key=key, width=width)
    state.keep(key)
    return chosen


def pick_metric(options: Sequence[str]) -> str:
    """Show the picker of a measure, in the words of the glossary."""
    return pick_one(
        "Measure",
        options,
        key=state.METRIC,
        format_func=lambda name: word_label("metric", name),
        width=320,
    )
