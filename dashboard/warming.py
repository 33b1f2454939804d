"""Import and read what pages need while the reader waits for something else anyway.

The first batch is prepared while the browser loads the app, the second while the reader looks at
the first page. A page waits for a batch that is being imported rather than import beside it: two
threads inside the same package may see half of it.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import threading
from collections.abc import Callable

from audits.errors import PackageError

# Streamlit imports numpy and PIL for the icon of the page, its icons' names for the first button.
FIRST_PAGE = (
    "dashboard.queries.runs",
    "dashboard.series",
    "dashboard.views.context",
    "numpy",
    "PIL.Image",
    "streamlit.material_icon_names",
    "dashboard.identity",
    "dashboard.jobs",
    "dashboard.views.attention",
    "dashboard.views.elements",
    "dashboard.views.entrance",
    "dashboard.views.run_card",
)
OTHER_PAGES = (
    "pandas",
    "plotly.tools",
    "dashboard.queries.cases",
    "dashboard.queries.calibration",
    "dashboard.queries.thresholds",
    "dashboard.queries.versions",
    "dashboard.queries.explanations",
    "dashboard.queries.reports",
)

_importing = threading.Lock()
_begun = threading.Event()


def before_first_page(is_up: Callable[[], bool]) -> threading.Thread:
    """Import what the first page needs as soon as the server answers.

    Args:
        is_up: Returns True once the server listens; it is asked every 20 ms, for 30 s at most.
    """

    def work() -> None:
        waiting = threading.Event()
        for _ in range(1500):
            if is_up():
                break
            waiting.wait(0.02)
        _import(FIRST_PAGE)
        _read_ahead()

    return _start(work)


def after_first_page() -> threading.Thread | None:
    """Import what the other pages need; only the first call of a process does anything."""
    if _begun.is_set():
        return None
    _begun.set()
    return _start(lambda: _import(OTHER_PAGES))


def wait() -> None:
    """Return when no batch is being imported."""
    with _importing:
        pass


def _read_ahead() -> None:
    """Read the glossary and the newest run, which the first page shows."""
    from dashboard import words
    from dashboard.queries import runs
    from dashboard.settings import read_settings

    # The first element of a process asks who called it, which looks up the file of every module
    # there is; those answers are kept.
    inspect.stack()
    words.glossary()
    cards, _ = runs.run_cards(read_settings())
    if cards:
        with contextlib.suppress(PackageError):  # the page says what is wrong with the run
            runs.evidence(cards[0].ref)


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="warming", daemon=True)
    thread.start()
    return thread


def _import(modules: tuple[str, ...]) -> None:
    with _importing:
        for module in modules:
            importlib.import_module(module)
