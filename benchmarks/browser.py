"""What a person waits for in a browser: pages, cases, the threshold, and ten people at once.

Medians and 95th percentiles over twenty of each in headless chromium, over the runs of both
sample studies, and over a table of a million cases for the threshold. Beside every wait stand the
CPU seconds that server and browser spent on it: on a shared machine these are what to compare.

    python -m benchmarks.browser [--run RUN --run RUN] [--large RUN] [--only FIGURE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard import audit, make_table
from benchmarks.product import (
    PAGES,
    PAUSE,
    STUDIES,
    THINKING,
    audit_command,
    free_port,
    settle,
    switch,
    told,
    wait_for,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPEATS = 20
READERS = 10
LOOKING = 5.0
"""Seconds that somebody looks at the list of cases before asking for the first."""
EVERY = 5.0
"""Seconds between two actions of one reader."""
LIMIT = 180_000
FIGURES = ("first", "switch", "case", "parts", "slider", "versions", "ten", "reruns")
"""What may be measured alone; ``parts`` is ``case`` for the models of ``icu_multimodal``."""


@dataclass(kw_only=True)
class Served:
    """A served app: its address and its process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def memory(self) -> float:
        """Return the resident memory of the server in MB."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * resource.getpagesize() / 1e6

    @property
    def cpu(self) -> float:
        """Return the CPU seconds of the server so far."""
        held = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").split()
        return (int(held[13]) + int(held[14])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """Return the CPU seconds of every process that this one started, and of theirs, so far."""
    held: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        held[int(path.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    own, total = os.getpid(), 0
    for pid, (parent, ticks) in held.items():
        above = parent
        while above in held and above != own:
            above = held[above][0]
        total += ticks if above == own and pid != own else 0
    return total / os.sysconf("SC_CLK_TCK")


@dataclass
class Waits:
    """How long some actions took, and what they cost."""

    name: str
    goal: float | None
    seconds: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Measure one action: what runs inside the block."""
        cpu, start = cpu_seconds(), time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - start)
        self.cpus.append(cpu_seconds() - cpu)

    def tell(self) -> None:
        """Print median and 95th percentile, and the median cost."""
        told(f"{self.name} ({statistics.median(self.cpus):.2f} CPU s)", self.seconds, self.goal)


@contextmanager
def serving(store: Path, runs: Sequence[Path]) -> Iterator[Served]:
    """Serve the app over a store and runs while the block runs."""
    port = free_port()
    named = [part for run in runs for part in ("--run", str(run))]
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "--port", str(port), "--store", str(store), *named],
        env={**os.environ, "DISPLAY": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield Served(url=f"http://127.0.0.1:{port}", process=process)
    finally:
        process.terminate()
        process.wait()


def opened(browser: Browser, url: str) -> Page:
    """Open an address in a browser profile of its own and wait until it is complete."""
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(LIMIT)
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    settle(page)
    return page


def first_pages(browser: Browser, app: Served) -> None:
    """Open the first page in new profiles, then again in a profile that has the app cached."""
    cold = Waits("first page, cold browser cache", 3)
    warm = Waits("first page, warm browser cache", 2)
    page = opened(browser, app.url)
    for _ in range(REPEATS):
        with cold.one():
            other = opened(browser, app.url)
        other.context.close()
        time.sleep(THINKING)  # an idle browser fetches the code of other pages meanwhile
        with warm.one():
            page.goto(app.url)
            page.get_by_role("heading", level=1).wait_for()
            settle(page)
        time.sleep(THINKING)
    page.context.close()
    cold.tell()
    warm.tell()


def page_switches(browser: Browser, app: Served) -> None:
    """Go from page to page through the navigation."""
    page = opened(browser, app.url)
    waits = {name: Waits(f"switch to {name}", 0.5) for name in PAGES}
    for name in PAGES:  # the first visit loads the page's code
        switch(page, name)
    for _ in range(REPEATS):
        for name in PAGES:
            with waits[name].one():
                page.get_by_role("link", name=name, exact=True).first.click()
                page.get_by_role("heading", level=1, name=name).wait_for()
                settle(page)
            time.sleep(PAUSE)
    page.context.close()
    every = Waits("switch to any page", 0.5)
    for held in waits.values():
        held.tell()
        every.seconds += held.seconds
        every.cpus += held.cpus
    every.tell()


def fresh_cases(run: Path, model: str, count: int) -> list[str]:
    """Return cases that a run did not explain; of a study that ships images, those with one."""
    import pandas as pd

    from audits.storage import file_name_of

    held = pd.read_parquet(run / "internal" / "cases.parquet", columns=["case_id"])["case_id"]
    folder = run / "internal" / "explanations" / file_name_of(model)
    explained = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    study = Path(json.loads((run / "internal" / "run.json").read_bytes())["study"])
    imaged = {path.stem for path in (study / "images").glob("*")}
    some = imaged & set(held) or set(held)
    return [case for case in held if case in some - explained][:count]


def cases(browser: Browser, app: Served, run: Path, *, every_model: bool) -> None:
    """Go to cases that nobody explained before, then to the same ones again.

    The first case is told apart: somebody looks at the list for some seconds, then asks for it.

    Args:
        browser: The browser.
        app: The served app.
        run: The run.
        every_model: Ask all of its models, and give them three seconds: they read measurements
            over time and notes; else the newest alone.
    """
    evidence = json.loads((run / "evidence.json").read_bytes())
    models = [f"{one['id']}@{one['version']}" for one in evidence["models"]]
    for model in models if every_model else models[-1:]:
        ids = fresh_cases(run, model, REPEATS + 1)
        address = f"{app.url}/case?run={evidence['run']['id']}&model={model.replace('@', '%40')}"
        page = opened(browser, f"{address}&section=why")
        time.sleep(LOOKING)
        now = 3.0 if every_model else 2.0
        for how, goal, some in (
            ("the first of all", now, ids[-1:]),
            ("computed now", now, ids[:-1]),
            ("cached", 0.5, ids[:-1]),
        ):
            waits = Waits(f"case to case, {how}: {model}", goal)
            for case in some:
                with waits.one():
                    box = page.get_by_label("Case id")
                    box.fill(case)
                    box.press("Enter")
                    page.get_by_role("heading", name=f"Case {case}", exact=True).wait_for()
                    settle(page)
                time.sleep(PAUSE)
            waits.tell()
        page.context.close()


def threshold(browser: Browser, app: Served) -> None:
    """Move the slider of the threshold by the keyboard, until the new table stands."""
    page = opened(browser, f"{app.url}/bias?section=threshold")
    page.get_by_text("All measures at this threshold").click()  # a table, not the chart alone
    settle(page)
    page.get_by_role("slider").first.focus()
    waits = Waits("threshold slider to table, 1,000,000 rows", 0.3)
    for at in range(REPEATS + 1):
        with waits.one():
            page.keyboard.press("ArrowRight")
            page.get_by_role("button", name=f"Declare {0.3 + 0.005 * (at + 1):.3f}").wait_for()
            settle(page)
        time.sleep(PAUSE)
    page.context.close()
    waits.seconds, waits.cpus = waits.seconds[1:], waits.cpus[1:]
    waits.tell()


_WATCH = """() => {
  window.watched = { from: 0, last: 0 };
  document.addEventListener("keydown", () => {
    window.watched.from = window.watched.last = performance.now();
  }, true);
  new MutationObserver(() => { window.watched.last = performance.now(); }).observe(
    document.querySelector("[data-testid=stApp]"),
    { subtree: true, childList: true, attributes: true, characterData: true },
  );
}"""


def versions(browser: Browser, app: Served, run: Path) -> None:
    """Move a slider of Compare versions: from the key press to the last change on the page."""
    evidence = json.loads((run / "evidence.json").read_bytes())
    page = opened(browser, f"{app.url}/compare?run={evidence['run']['id']}&section=thresholds")
    page.get_by_role("slider").first.focus()
    page.evaluate(_WATCH)
    waits = Waits(f"threshold slider of {evidence['study']['name']}, two versions", 0.2)
    for _ in range(REPEATS + 1):
        with waits.one():
            page.keyboard.press("ArrowRight")
            time.sleep(THINKING)
        waits.seconds[-1] = page.evaluate("(window.watched.last - window.watched.from) / 1000")
    page.context.close()
    waits.seconds, waits.cpus = waits.seconds[1:], waits.cpus[1:]
    waits.tell()


def readers(app: Served, count: int, actions: int) -> list[float]:
    """Let some readers act every five seconds, each in a browser of its own; return their waits."""
    waits: list[float] = []
    lock, ready = threading.Lock(), threading.Barrier(count)

    def read(number: int) -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = opened(browser, app.url)
            for name in PAGES:  # the first visit loads the page's code
                switch(page, name)
            ready.wait(timeout=300)
            time.sleep(number * EVERY / count)  # people do not click in step
            for name in itertools.islice(itertools.cycle(PAGES), actions):
                start = time.perf_counter()
                seconds = switch(page, name)
                with lock:
                    waits.append(seconds)
                time.sleep(max(EVERY - (time.perf_counter() - start), 0.0))
            browser.close()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def reruns(browser: Browser, app: Served, times: int) -> None:
    """Switch pages many times in one session and print how the server's memory moves."""
    page = opened(browser, app.url)
    for name in PAGES:
        switch(page, name)
    marks, cpu = [], app.cpu
    for at, name in enumerate(itertools.islice(itertools.cycle(PAGES), times)):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        settle(page)
        if at + 1 in {times // 5, times}:
            marks.append(app.memory)
    page.context.close()
    print(
        f"{times} page switches: server {(app.cpu - cpu) / times:.3f} CPU s each; memory "
        f"{marks[0]:.0f} MB after a fifth, {marks[-1]:.0f} MB at the end"
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, action="append", help="audited samples; else made")
    parser.add_argument("--large", type=Path, help="run of a million rows; else one is made")
    parser.add_argument("--reruns", type=int, default=500)
    parser.add_argument("--only", action="append", choices=FIGURES, help="repeatable")
    arguments = parser.parse_args()
    wanted = set(arguments.only or FIGURES)
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if wanted != {"slider"}:
        with tempfile.TemporaryDirectory() as name:
            store = Path(name) / "store"
            runs = arguments.run or [_audited(study, Path(name), store) for study in STUDIES]
            with serving(store, runs) as app:
                _sample_figures(app, runs, wanted, arguments.reruns)
    if "slider" in wanted:
        _large(arguments.large)


def _audited(study: str, folder: Path, store: Path) -> Path:
    out = folder / study
    subprocess.run(audit_command(study, out, store), check=True, stdout=subprocess.DEVNULL)
    return out


def _sample_figures(app: Served, runs: Sequence[Path], wanted: set[str], times: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        if "first" in wanted:
            first_pages(browser, app)
        if "switch" in wanted:
            page_switches(browser, app)
        for run in runs:
            named = json.loads((run / "evidence.json").read_bytes())["study"]["name"]
            several = named == "icu_multimodal"
            if ("parts" if several else "case") in wanted:
                cases(browser, app, run, every_model=several)
            if "versions" in wanted and not several:
                versions(browser, app, run)
        if "reruns" in wanted:
            reruns(browser, app, times)
        browser.close()
    if "ten" in wanted:
        told("one reader, an action every 5 s", readers(app, 1, REPEATS), None)
        told("ten readers, an action every 5 s each", readers(app, READERS, 6), None)


def _large(run: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        if run is None:
            run = folder / "run"
            make_table(folder / "table.parquet", 1_000_000)
            audit(folder / "table.parquet", run, folder / "store")
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        with serving(folder / "store", [run]) as app:
            threshold(browser, app)
        browser.close()


if __name__ == "__main__":
    main()
