"""Fetch the browser's code for charts and tables while the reader looks at the first page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

HEAVY = ("PlotlyChart", "DataFrame")
"""Streamlit's own parts whose code takes a browser longest to read: 4.7 MB and 1.5 MB."""

_DONE = "code_fetched"

# Beside the app's own script, wherever the app is served; the same address, so fetched but once.
_SCRIPT = """<script>
setTimeout(() => requestIdleCallback(() => {{
  const own = document.querySelector('script[src*="static/js/"]');
  if (own) for (const name of {names}) import(new URL(name, own.src).href);
}}), 500);
</script>"""


def fetch_ahead() -> None:
    """Ask the browser, once a session and when it has nothing else to do, for the heavy parts."""
    if st.session_state.get(_DONE):
        return
    st.session_state[_DONE] = True
    names = heavy_files(Path(st.__file__).parent / "static" / "static" / "js")
    if names:
        st.html(_SCRIPT.format(names=list(names)), unsafe_allow_javascript=True)


@cache
def heavy_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the heavy parts, which carry a hash; none where they are built anew."""
    found = (sorted(folder.glob(f"{name}.*.js")) for name in HEAVY)
    return tuple(files[0].name for files in found if len(files) == 1)
