"""Pages and imports take turns, and what pages need is imported ahead."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import streamlit

from dashboard import warming
from dashboard.views.ahead import HEAVY, heavy_files

PAGES = Path(warming.__file__).parent / "app_pages"


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch):
    monkeypatch.setattr(warming, "_begun", threading.Event())
    monkeypatch.setattr(warming, "SETTLING", 0.0)


def test_every_module_named_exists_and_is_imported():
    thread = warming.before_first_page(lambda: True)
    thread.join()
    assert all(module in sys.modules for module in warming.FIRST_PAGE)
    thread = warming.after_first_page(PAGES)
    assert thread is not None
    thread.join()
    listed = {module for batch in warming.IMPORTED_ON_USE for module in batch}
    read = {module for script in PAGES.glob("*.py") for module in warming.imported_by(script)}
    assert "dashboard.views.compare_parts" in read
    assert listed | read <= set(sys.modules)
    assert warming.after_first_page(PAGES) is None


def test_no_batch_is_imported_while_a_page_runs():
    with warming.page(), warming.page():  # two readers at once
        thread = warming.after_first_page(PAGES)
        assert thread is not None
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(120)
    assert not thread.is_alive()


def test_the_code_that_a_browser_fetches_ahead_is_what_this_streamlit_serves(tmp_path):
    served = Path(streamlit.__file__).parent / "static" / "static" / "js"
    found = heavy_files(served)
    assert [name.split(".")[0] for name in found] == list(HEAVY)
    assert all((served / name).is_file() for name in found)
    assert heavy_files(tmp_path) == ()


def test_nothing_is_imported_before_the_server_answers():
    up = threading.Event()
    asked = threading.Event()

    def is_up() -> bool:
        asked.set()
        return up.is_set()

    thread = warming.before_first_page(is_up)
    assert asked.wait(60)
    assert thread.is_alive()
    up.set()
    thread.join(120)
    assert not thread.is_alive()
