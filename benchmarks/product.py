"""How long a person waits: both sample audits, the first page, a page switch; and peak memory.

Every audit runs as its own process in an empty store, as after ``make demo``.

    python -m benchmarks.product
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_data"
STUDIES = ("chest_xray", "icu_deterioration")
PAGES = ("Bias audit", "Case review", "Compare versions", "Reports", "About", "Overview")
THINKING = 2.0
"""Seconds a reader looks at the first page before going on."""
PAUSE = 0.3
"""Seconds between two switches."""


def audit_command(study: str, out: Path, store: Path) -> list[str]:
    """Return the command line that audits one sample study with all of its models."""
    folder = SAMPLES / study
    models = sorted(p for p in (folder / "models").iterdir() if (p / "model.toml").is_file())
    command = [sys.executable, "-m", "audits.cli", "audit", "--study", str(folder)]
    for model in models:
        command += ["--model", str(model)]
    command += ["--policy", str(folder / "policy.toml"), "--out", str(out), "--store", str(store)]
    return command


def time_audits(repeats: int) -> None:
    """Print wall time and peak memory of the sample audits."""
    walls: dict[str, list[float]] = {study: [] for study in STUDIES}
    for _ in range(repeats):
        for study in STUDIES:
            with tempfile.TemporaryDirectory() as folder:
                out, store = Path(folder) / "run", Path(folder) / "store"
                start = time.perf_counter()
                subprocess.run(
                    audit_command(study, out, store), check=True, stdout=subprocess.DEVNULL
                )
                walls[study].append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    for study, seconds in walls.items():
        print(f"audit {study:20} {statistics.median(seconds):7.1f} s   (runs: {len(seconds)})")
    total = sum(statistics.median(seconds) for seconds in walls.values())
    print(f"audit both{'':17}{total:7.1f} s   goal 90 s")
    print(f"peak memory of an audit {peak:7.2f} GiB goal 3 GB")


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, limit: float = 60.0) -> None:
    """Wait until the server answers."""
    deadline = time.perf_counter() + limit
    while time.perf_counter() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(url)


def time_pages(repeats: int, runs: Sequence[Path], *, switches: bool) -> None:
    """Print the time from the start to the first page, and between pages, in headless chromium.

    Every repeat starts the server and a browser profile anew, so its first page is the coldest a
    reader meets; then each page is visited twice.

    Args:
        repeats: How often.
        runs: Runs made before; both samples are audited where there are none.
        switches: Whether to visit the other pages too.
    """
    from playwright.sync_api import sync_playwright

    answers: list[float] = []
    headings: list[float] = []
    firsts: list[float] = []
    warm: list[float] = []
    visits: dict[str, list[float]] = {name: [] for name in PAGES}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        store = Path(folder) / "store"
        for study in () if runs else STUDIES:
            subprocess.run(
                audit_command(study, Path(folder) / study, store),
                check=True,
                stdout=subprocess.DEVNULL,
            )
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for _ in range(repeats):
            port = free_port()
            page = browser.new_context().new_page()  # the reader's browser is open already
            start = time.perf_counter()
            with serving(port, store, runs):
                answers.append(time.perf_counter() - start)
                open_first(page, port)
                headings.append(time.perf_counter() - start)
                settle(page)
                firsts.append(time.perf_counter() - start)
                time.sleep(THINKING)
                for _ in range(2 if switches else 0):
                    for name, seconds in visits.items():
                        seconds.append(switch(page, name))
                page.context.close()
                page = browser.new_context().new_page()
                start = time.perf_counter()
                open_first(page, port)
                settle(page)
                warm.append(time.perf_counter() - start)
                page.context.close()
        browser.close()
    told("server answers after", answers, None)
    told("first page's heading, from the start", headings, 3)
    told("first page complete, from the start", firsts, 3)
    told("first page of another reader", warm, 3)
    if not switches:
        return
    for name, seconds in visits.items():
        told(f"switch to {name}", seconds, 0.5)
    told("switch to any page", [s for seconds in visits.values() for s in seconds], 0.5)


@contextmanager
def serving(port: int, store: Path, runs: Sequence[Path] = ()) -> Iterator[None]:
    """Run the dashboard over a store, and runs named beside it, while the block runs."""
    named = [part for run in runs for part in ("--run", str(run))]
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "--port", str(port), "--store", str(store), *named],
        env={**os.environ, "DISPLAY": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield
    finally:
        server.terminate()
        server.wait()


def open_first(page: Page, port: int) -> None:
    """Open the first page and wait for its heading."""
    page.goto(f"http://127.0.0.1:{port}/")
    page.get_by_role("heading", level=1).wait_for()


def switch(page: Page, name: str) -> float:
    """Go to another page through the navigation; return the seconds until it is complete."""
    start = time.perf_counter()
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", level=1, name=name).wait_for()
    settle(page)
    seconds = time.perf_counter() - start
    time.sleep(PAUSE)
    return seconds


def told(name: str, values: list[float], goal: float | None) -> None:
    """Print median and 95th percentile of some waits."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    aim = f"  goal {goal} s" if goal else ""
    median = statistics.median(ordered)
    print(f"{name:42} median {median:.2f} s  p95 {p95:.2f} s  (n {len(ordered)}){aim}")


def settle(page: Page) -> None:
    """Wait until the page's script has run to its end."""
    page.wait_for_selector(
        "[data-testid=stApp][data-test-script-state=notRunning]", state="attached"
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--run", type=Path, action="append", default=[], help="made before")
    parser.add_argument("--only", choices=("audits", "pages", "first"), help="measure only this")
    arguments = parser.parse_args()
    if arguments.only in {None, "audits"}:
        time_audits(arguments.repeats)
    if arguments.only != "audits":
        switches = arguments.only != "first"
        time_pages(max(arguments.repeats, 5), arguments.run, switches=switches)


if __name__ == "__main__":
    main()
