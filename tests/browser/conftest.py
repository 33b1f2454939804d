"""A served app in a process of its own, and a browser that notes what it should not see."""

from __future__ import annotations

import importlib.util
import os
import secrets
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
from playwright.sync_api import TimeoutError, expect  # noqa: A004 - Playwright's own
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from audits.running import run_study_audit

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
)

PATIENCE = 240
"""Seconds that anything may take; a shared machine may be slow, a hang still ends."""
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN

expect.set_options(timeout=PATIENCE * 1000)


def _run_fixture():
    path = ROOT / "tests" / "app" / "run_fixture.py"
    spec = importlib.util.spec_from_file_location("auscult_run_fixture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """Return a port nobody listens on, of those that no outgoing connection is given meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)  # not shuffled alike in every worker
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


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
            try:
                server.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


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
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=10) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def browser():
    """Headless system chromium."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu"],
            timeout=PATIENCE * 1000,
        )
        yield opened
        opened.close()


_DRAWN = """() => !document.querySelector(
  '[data-test-script-state="running"], [data-stale="true"], [data-testid="stSkeleton"]')"""


class Watched:
    """A page that keeps what it was asked for and what it complained about."""

    def __init__(self, browser, url: str, scheme: str) -> None:
        self.url = url
        self.context = browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.asked = 0
        """How often the page asked the server to run its script, or a fragment of it."""
        self._state = "asked"  # a page asks for itself as soon as it is open
        self.page.on("request", self._requested)
        self.page.on("websocket", self._connected)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Open a page of the app and wait until its script has ended."""
        self._state = "asked"
        self.page.goto(f"{self.url}/{path}")
        self.page.wait_for_selector("h1")
        self.settle()

    def settle(self) -> None:
        """Wait until the server has answered the last question, and all of the answer is drawn."""
        self.page.wait_for_timeout(250)  # Streamlit gathers what is typed and moved for so long
        self._until(lambda: self._state == "answered", "the app still runs")
        self.page.wait_for_function(_DRAWN)
        self.page.wait_for_timeout(100)

    def select_row(self, table) -> None:
        """Click the first row of a table; one that still takes its place may lose the click."""
        for _ in range(6):
            self.settle()
            before, box = self.asked, table.bounding_box()
            self.page.mouse.click(box["x"] + 20, box["y"] + 60)
            try:
                self._until(lambda before=before: self.asked > before, "no row selected", 10)
            except AssertionError:
                continue
            return
        raise AssertionError("no click selects a row")

    def download(self, button) -> Path:
        """Save what a button offers; one that is just drawn anew may lose the click."""
        for _ in range(4):
            self.settle()
            try:
                with self.page.expect_download(timeout=PATIENCE * 250) as saved:
                    button.click()
            except TimeoutError:
                continue
            return Path(saved.value.path())
        raise AssertionError("no click saves a file")

    def _until(self, holds, otherwise: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, otherwise
            self.page.wait_for_timeout(25)

    def _connected(self, socket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, frame: str | bytes) -> None:
        if not isinstance(frame, bytes):
            return
        if BackMsg.FromString(frame).WhichOneof("type") == "rerun_script":
            self.asked += 1
            self._state = "asked"

    def _received(self, frame: str | bytes) -> None:
        if not isinstance(frame, bytes):
            return
        message = ForwardMsg.FromString(frame)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._state = "answering"
        elif kind == "script_finished" and self._state == "answering":
            # A run that was cut off is begun again.
            self._state = "asked" if message.script_finished == EARLY else "answered"

    def _requested(self, request) -> None:
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
