"""Import and read what pages need while the reader waits for something else anyway.

The first batch is prepared while the browser loads the app, the others while the reader looks at
the first page. Pages and batches take turns: two threads inside the same package may see half of
it, and a page that runs beside an import waits for its turn anyway.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
IMPORTED_ON_USE = (
    ("dashboard.queries.cases", "dashboard.queries.calibration", "dashboard.queries.thresholds"),
    ("pandas",),
    ("dashboard.queries.explanations", "dashboard.queries.versions"),
    ("audits.comparison", "audits.policy.gate"),
    ("dashboard.queries.reports", "dashboard.queries.signing"),
)
"""What pages import inside their functions, smallest batches first: a reader waits for one only."""

SETTLING = 0.5
"""Seconds that the first page is given to reach its reader before anything is imported beside."""


class _Turns:
    """Any number of pages, or one batch of imports."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._pages = 0
        self._importing = False

    @contextmanager
    def page(self) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._importing)
            self._pages += 1
        try:
            yield
        finally:
            with self._free:
                self._pages -= 1
                self._free.notify_all()

    @contextmanager
    def batch(self) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._pages and not self._importing)
            self._importing = True
        try:
            yield
        finally:
            with self._free:
                self._importing = False
                self._free.notify_all()


_turns = _Turns()
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
        set_aside()

    return _start(work)


def after_first_page(pages: Path) -> threading.Thread | None:
    """Import what the other pages need; only the first call of a process does anything.

    Args:
        pages: Folder of the pages' scripts.
    """
    if _begun.is_set():
        return None
    _begun.set()

    def work() -> None:
        threading.Event().wait(SETTLING)
        for batch in IMPORTED_ON_USE:
            _import(batch)
        _draw_ahead()
        for script in sorted(pages.glob("*.py")):
            _import(imported_by(script))
        set_aside()

    return _start(work)


def imported_by(script: Path) -> tuple[str, ...]:
    """Return our own modules that a page's script imports, as it says itself."""
    nodes = ast.walk(ast.parse(script.read_text(encoding="utf-8")))
    named = (node.module or "" for node in nodes if isinstance(node, ast.ImportFrom))
    return tuple(dict.fromkeys(name for name in named if name.startswith("dashboard.")))


@contextmanager
def page() -> Iterator[None]:
    """Run a page inside this block: no batch is imported meanwhile."""
    with _turns.page():
        yield


def set_aside() -> None:
    """Let the garbage collector pass over everything that lives now, modules above all.

    Streamlit collects garbage after every run of a page and looks at every object for it: .14 s of
    each run, twice what a moved slider costs otherwise.
    """
    gc.collect()
    gc.freeze()


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


def _draw_ahead() -> None:
    """Check one small figure: Plotly imports the parts of a chart when it first meets them."""
    with _turns.batch():
        import plotly.graph_objects as go

        go.Figure({"data": [{"type": "scatter", "x": [0]}], "layout": {"xaxis": {"title": {}}}})


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="warming", daemon=True)
    thread.start()
    return thread


def _import(modules: tuple[str, ...]) -> None:
    with _turns.batch():
        for module in modules:
            importlib.import_module(module)
