"""The app over an empty store, and over one with a small run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import warming
from dashboard.queries import ahead

ROOT = Path(__file__).parents[2]


def _load_fixture():
    spec = importlib.util.spec_from_file_location(
        "auscult_run_fixture", Path(__file__).with_name("run_fixture.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_fixture():
    """The module that writes small runs, studies and models."""
    return _load_fixture()


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory, run_fixture) -> Path:
    """A folder with one run, its study and its store; tests only read it."""
    folder = tmp_path_factory.mktemp("shared_run")
    run_fixture.write_run(folder, folder / "store")
    return folder


@pytest.fixture
def own_run(tmp_path, run_fixture) -> Path:
    """A run that the test may change."""
    run_fixture.write_run(tmp_path, tmp_path / "store")
    return tmp_path


@pytest.fixture(scope="session", autouse=True)
def _installed_components():
    """Look for components of installed packages once: it takes longer than most pages do."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture
def open_app(monkeypatch):
    """Return a function that opens a page of the app over a store."""

    def opened(store: Path, page: str = "overview", **query: str) -> AppTest:
        monkeypatch.setenv("AUSCULT_HOME", str(store))
        # What a server prepares beside its pages would go on during the tests that follow.
        monkeypatch.setattr(warming, "after_first_page", lambda _: None)
        monkeypatch.setattr(ahead, "open_ahead", lambda *_: None)
        for name in ("RUNS", "STUDIES", "MODELS"):
            monkeypatch.delenv(f"AUSCULT_DASHBOARD_{name}", raising=False)
        st.cache_data.clear()
        st.cache_resource.clear()
        app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=240)
        app.run()
        for key, value in query.items():
            app.query_params[key] = value
        if page != "overview" or query:
            app.switch_page(f"app_pages/{page}.py").run()
        return app

    return opened
