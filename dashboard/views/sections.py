"""Parts of a long page behind tabs, of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from dashboard import state


@contextmanager
def section(titles: Mapping[str, str]) -> Iterator[str]:
    """Show the tabs of a page; inside the ``with`` block the open tab is drawn, and only that one.

    The choice is kept across pages and stands in the address, so a link opens the same part.

    Args:
        titles: From the id of a part, which goes into the address, to the title of its tab.

    Yields:
        The id of the open part.
    """
    with chapters({title: {name: title} for name, title in titles.items()}) as chosen:
        yield chosen


@contextmanager
def chapters(parts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Show tabs of several parts each, the parts of the open one as a row of choices under it.

    A link names the part; the tab follows from it. A tab opened anew shows its first part.

    Args:
        parts: From the title of a tab to its parts, from id to title.

    Yields:
        The id of the open part.
    """
    held = {name: tab for tab, inside in parts.items() for name in inside}
    wanted = state.known(state.SECTION)
    chosen = wanted if wanted is not None and wanted in held else next(iter(held))
    widget = f"tabs_{'_'.join(held)}"
    st.session_state[widget] = held[chosen]
    first = tuple((tab, next(iter(inside))) for tab, inside in parts.items())
    tabs = st.tabs(list(parts), key=widget, on_change=_open_tab, args=(widget, first))
    state.write_address()
    with tabs[list(parts).index(held[chosen])]:
        _choice(parts[held[chosen]], chosen)
        yield chosen


def _choice(inside: Mapping[str, str], chosen: str) -> None:
    """Show the parts of a tab, where it has more than one."""
    if len(inside) == 1:
        return
    widget = f"parts_{'_'.join(inside)}"
    st.session_state[widget] = chosen
    st.segmented_control(
        "Part of this page",
        list(inside),
        format_func=inside.__getitem__,
        key=widget,
        required=True,
        label_visibility="collapsed",
        on_change=_open_part,
        args=(widget,),
    )


def _open_tab(widget: str, first: tuple[tuple[str, str], ...]) -> None:
    state.choose(state.SECTION, dict(first)[st.session_state[widget]])


def _open_part(widget: str) -> None:
    state.choose(state.SECTION, st.session_state[widget])
