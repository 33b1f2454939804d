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
    wanted = state.known(state.SECTION)
    chosen = wanted if wanted is not None and wanted in titles else next(iter(titles))
    widget = f"tabs_{'_'.join(titles)}"
    st.session_state[widget] = titles[chosen]
    tabs = st.tabs(
        list(titles.values()),
        key=widget,
        on_change=_remember,
        args=(widget, tuple(titles.items())),
    )
    state.write_address()
    with tabs[list(titles).index(chosen)]:
        yield chosen


def _remember(widget: str, titles: tuple[tuple[str, str], ...]) -> None:
    ids = {title: name for name, title in titles}
    state.choose(state.SECTION, ids[st.session_state[widget]])
