"""Pages wait for imports in progress instead of importing beside them."""

from __future__ import annotations

import sys
import threading

from dashboard import warming


def test_every_module_named_exists_and_is_imported(monkeypatch):
    monkeypatch.setattr(warming, "_begun", threading.Event())  # as in a new process
    thread = warming.before_first_page(lambda: True)
    thread.join()
    assert all(module in sys.modules for module in warming.FIRST_PAGE)
    thread = warming.after_first_page()
    assert thread is not None
    warming.wait()
    thread.join()
    assert all(module in sys.modules for module in warming.OTHER_PAGES)
    assert warming.after_first_page() is None


def test_nothing_is_imported_before_the_server_answers():
    up = threading.Event()
    asked = threading.Event()

    def is_up() -> bool:
        asked.set()
        return up.is_set()

    thread = warming.before_first_page(is_up)
    assert asked.wait(5)
    assert thread.is_alive()
    up.set()
    thread.join(30)
    assert not thread.is_alive()
