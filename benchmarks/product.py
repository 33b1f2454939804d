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
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_data"
STUDIES = ("chest_xray", "icu_deterioration")


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


def time_pages(repeats: int) -> None:
    """Print the time to the first page and between pages in headless chromium."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        for study in STUDIES:
            subprocess.run(
                audit_command(study, Path(folder) / study, store),
                check=True,
                stdout=subprocess.DEVNULL,
            )
        port = free_port()
        start = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "dashboard", "--port", str(port), "--store", str(store)],
            env={**os.environ, "DISPLAY": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            print(f"server answers after    {time.perf_counter() - start:7.2f} s")
            firsts, switches = [], []
            with sync_playwright() as play:
                browser = play.chromium.launch(
                    executable_path="/usr/bin/chromium", args=["--no-sandbox"]
                )
                for _ in range(repeats):
                    page = browser.new_page()
                    start = time.perf_counter()
                    page.goto(f"http://127.0.0.1:{port}/")
                    page.get_by_role("heading", level=1).wait_for()
                    settle(page)
                    firsts.append(time.perf_counter() - start)
                    for name in ("Bias audit", "Case review", "Reports"):
                        start = time.perf_counter()
                        page.get_by_role("link", name=name, exact=True).first.click()
                        page.get_by_role("heading", level=1, name=name).wait_for()
                        settle(page)
                        switches.append(time.perf_counter() - start)
                    page.close()
                browser.close()
        finally:
            server.terminate()
            server.wait()
    for name, values, goal in (("first page", firsts, 3), ("page switch", switches, 1)):
        values.sort()
        p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
        print(f"{name:22} median {statistics.median(values):.2f} s  p95 {p95:.2f} s  goal {goal} s")


def settle(page: object) -> None:
    """Wait until the page's script has run to its end."""
    page.wait_for_selector(  # type: ignore[attr-defined]
        "[data-testid=stApp][data-test-script-state=notRunning]", state="attached"
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    time_audits(arguments.repeats)
    time_pages(max(arguments.repeats, 5))


if __name__ == "__main__":
    main()
