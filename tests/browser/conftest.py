"""A served app in a process of its own, and a browser that notes what it should not see."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from audits.running import run_study_audit

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
)


def _run_fixture():
    path = ROOT / "tests" / "app" / "run_fixture.py"
    spec = importlib.util.spec_from_file_location("auscult_run_fixture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(
    folder: Path, *options: str, port: int | None = None, home: Path | None = None
) -> Iterator[str]:
    """Serve the app over ``folder/store``, started from a foreign directory.

    Args:
        folder: Holds the store, and takes the log.
        options: Of the launcher.
        port: Port; a free one where none is given.
        home: Home of the account that serves, where ``.streamlit/secrets.toml`` may lie.
    """
    port = port or free_port()
    # A file and not a pipe: a full pipe would stop the server.
    with (folder / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "dashboard", "--port", str(port)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AUSCULT_")}
        environment["PYTHONPATH"] = str(ROOT)
        if home is not None:
            environment["HOME"] = str(home)
        server = subprocess.Popen(
            [*command, "--store", str(folder / "store"), *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
        )
        try:
            _await_health(f"http://127.0.0.1:{port}", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """Serve the app over one small run."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    folder = tmp_path_factory.mktemp("served")
    _run_fixture().write_run(folder, folder / "store")
    with served(folder) as url:
        yield url


@pytest.fixture(scope="session")
def walk(tmp_path_factory):
    """Serve the app over runs of both sample studies; (address, store)."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    if not (SAMPLES / "chest_xray" / "study.toml").is_file():
        pytest.skip("the sample studies are not in this checkout")
    folder = tmp_path_factory.mktemp("walks")
    for study, models in (
        ("chest_xray", ["1.0", "2.0"]),
        ("icu_deterioration", ["mlp-1.0", "mlp-2.0"]),
    ):
        run_study_audit(
            SAMPLES / study,
            [SAMPLES / study / "models" / model for model in models],
            out=folder / study,
            store=folder / "store",
            policy=SAMPLES / study / "policy.toml",
            device="cpu",
            explain_cases=0,
            check_cases=0,
            why=False,
            compare=True,
        )
    fixture = _run_fixture()
    fixture.write_run(folder, folder / "store")
    model = fixture.write_model(folder / "study" / "models" / "scores", folder / "study")
    with served(folder, "--study", str(folder / "study"), "--model", str(model)) as url:
        yield url, folder / "store"


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    return free_port()


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves the app over one small run with an account of its own."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    _run_fixture().write_run(tmp_path, tmp_path / "store")
    return partial(served, tmp_path)


def _await_health(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def browser():
    """Headless system chromium."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


class Watched:
    """A page that keeps what it was asked for and what it complained about."""

    def __init__(self, browser, url: str, scheme: str) -> None:
        self.url = url
        self.context = browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)  # a shared machine may be slow; a hang still ends
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Open a page of the app and wait until its script has ended."""
        self.page.goto(f"{self.url}/{path}")
        self.page.wait_for_selector("h1")
        self.settle()

    def settle(self) -> None:
        """Wait until the app has stopped running."""
        self.page.wait_for_timeout(250)
        running = '[data-test-script-state="running"]'
        self.page.wait_for_selector(running, state="detached", timeout=60_000)
        self.page.wait_for_timeout(150)

    def _asked(self, request) -> None:
        local = (self.url, self.url.replace("http", "ws", 1), "data:", "blob:")
        if not request.url.startswith(local):
            self.outside.append(request.url)

    def _said(self, message) -> None:
        if message.type != "error":
            return
        # On a direct link to a page, Streamlit first looks for its own endpoints below that page,
        # gets a 404, and then finds them at the root.
        place = (message.location or {}).get("url", "")
        if "404" in message.text and "/_stcore/" in place:
            return
        self.complaints.append(f"{message.text} {place}")


@pytest.fixture
def watch(browser, request):
    """Return a function that opens a watched page in a colour scheme."""
    opened: list[Watched] = []

    def start(scheme: str = "light", url: str | None = None) -> Watched:
        address = url or request.getfixturevalue("app_url")
        opened.append(Watched(browser, address, scheme))
        return opened[-1]

    yield start
    for one in opened:
        one.context.close()
