"""How the pages bear a large cohort and a long day: a million cases, 50,000 images, 500 reruns.

Seconds of CPU time as well as wall time, because the machine may be shared.

    python -m benchmarks.dashboard
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]


def make_table(path: Path, cases: int) -> None:
    """Write a table of predictions of made-up cases, some patients more than once."""
    rng = np.random.default_rng(0)
    label = (rng.random(cases) < 0.2).astype(np.int8)
    logit = rng.normal(0, 1, cases) + 1.6 * label - 1.5
    pd.DataFrame(
        {
            "case_id": [f"case-{at:07d}" for at in range(cases)],
            "patient": rng.integers(0, int(cases * 0.7), cases),
            "label": label,
            "score": 1 / (1 + np.exp(-logit)),
            "sex": rng.choice(["F", "M"], cases),
            "age": rng.integers(18, 95, cases),
            "site": rng.choice(list("ABCDE"), cases),
        }
    ).to_parquet(path, index=False)


def audit(table: Path, run: Path, store: Path) -> None:
    """Audit the table in a process of its own."""
    command = [sys.executable, "-m", "audits.cli", "audit", "--predictions", str(table)]
    command += ["--label", "label", "--score", "score", "--patient", "patient"]
    command += ["--group", "sex", "--group", "age:40,60,80", "--group", "site"]
    command += ["--threshold", "0.3", "--out", str(run), "--store", str(store)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def timed(name: str, work: Callable[[], Any], repeats: int = 1) -> Any:
    """Run ``work``, print its median wall and CPU seconds, and return its last result."""
    walls, cpus, out = [], [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        out = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    print(f"{name:<58} {wall:7.2f} s wall {cpu:7.2f} s CPU", flush=True)
    return out


def memory() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def large_cohort(run: Path) -> None:
    """Open, filter and page through the list of cases, and one case, of a large run."""
    from dataclasses import replace

    from dashboard.queries import cases
    from dashboard.queries.cases import Question
    from dashboard.queries.columns import row_of
    from dashboard.queries.runs import run_ref

    ref = run_ref(run)
    before = memory()
    asked = Question(ref=ref, model=None, output="label", threshold=0.3)
    _, total = timed("open the list", lambda: cases.page_of_cases(asked, 0, 100))
    missed = replace(asked, show="missed", group=(("sex", "F"), ("site", "C")))
    timed("filter: missed women of site C", lambda: cases.page_of_cases(missed, 0, 100))
    timed("a page in the middle", lambda: cases.page_of_cases(asked, total // 200, 100), repeats=5)
    wanted = [f"case-{at:07d}" for at in range(17, total, total // 5)]
    timed("find a case by its id", lambda: row_of(ref, wanted[0]))
    rest = iter(wanted[1:])
    timed(
        "open another case by its id",
        lambda: cases.facts(ref, None, "label", next(rest), 0.3),
        repeats=4,
    )
    print(f"memory for {total:,} cases: {memory() - before:.0f} MB")


def many_images(folder: Path, images: int) -> None:
    """Ask which of many cases have an image: a study that ships one for every case."""
    from audits.cohorts import open_study
    from model_adapters.base import Field

    (folder / "images").mkdir(parents=True)
    names = [f"images/{at:05d}.png" for at in range(images)]
    for name in names:
        (folder / name).touch()
    ids = [f"i-{at:05d}" for at in range(images)]
    table = pd.DataFrame({"case_id": ids, "image": names, "finding": np.arange(images) % 2})
    table.to_parquet(folder / "cases.parquet", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "images"\nversion = "1"\n[cases]\ntable = "cases.parquet"\n'
        '[labels.finding]\ncolumn = "finding"\n[inputs.image]\ncolumn = "image"\nkind = "png"\n',
        encoding="utf-8",
    )
    study = timed(f"open a study of {images:,} images", lambda: open_study(folder))
    field = Field(name="image", modality="image")
    timed("which cases have one", lambda: study.available([field]))


def reruns(store: Path, times: int) -> None:
    """Rerun pages many times and print how memory moves."""
    from streamlit.testing.v1 import AppTest

    os.environ["AUSCULT_HOME"] = str(store)
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120).run()
    pages = ("case_review", "bias_audit", "overview")
    marks, walls = [], []
    for at in range(times):
        start = time.process_time()
        app.switch_page(f"app_pages/{pages[at % len(pages)]}.py").run()
        walls.append(time.process_time() - start)
        if app.exception or not app.title:
            raise RuntimeError(f"page {pages[at % len(pages)]} does not open")
        if at + 1 in {times // 5, times}:
            marks.append(memory())
    print(
        f"{times} page switches: median {statistics.median(walls):.3f} s CPU; memory after a fifth "
        f"{marks[0]:.0f} MB, at the end {marks[-1]:.0f} MB"
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="Measure the pages on large cohorts.")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--reruns", type=int, default=500)
    parser.add_argument("--run", type=Path, help="a run made before, instead of a new one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = args.run or folder / "run"
        if args.run is None:
            make_table(folder / "table.parquet", args.cases)
            audit(folder / "table.parquet", run, folder / "store")
        large_cohort(run)
        many_images(folder / "images", args.images)
        if args.run is None:
            make_table(folder / "small.parquet", 5_000)
            audit(folder / "small.parquet", folder / "small", folder / "few")
            reruns(folder / "few", args.reruns)


if __name__ == "__main__":
    main()
