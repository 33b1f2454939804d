"""A cohort of 50,000 images in a browser: open it, filter it, go from case to case.

Every case has a PNG of its own (64 × 64, made up), beside a model that brings its scores. Printed
are medians and 95th percentiles over twenty, with the CPU seconds of server and browser, and the
memory of the server before and after.

    python -m benchmarks.many_images [--images 50000]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.browser import REPEATS, Served, Waits, opened, serving
from benchmarks.product import PAUSE, settle

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MODEL = """[model]
id = "scores"
version = "1.0"
task = "binary"
outputs = ["finding"]
space = "probability"
thresholds = [0.5]
[weights]
format = "predictions"
file = "scores.csv"
sha256 = "{sha256}"
"""
STUDY = """[study]
name = "many_images"
version = "1"
[cases]
table = "cases.parquet"
[labels.finding]
column = "finding"
[groups.sex]
column = "sex"
[inputs.image]
column = "image"
kind = "png"
"""


def make_study(folder: Path, images: int) -> None:
    """Write a study that ships an image for every case, and a model that brings its scores."""
    from PIL import Image

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    drawn = []
    for _ in range(50):  # the files differ in content, each is a file of its own
        buffer = io.BytesIO()
        pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, format="PNG")
        drawn.append(buffer.getvalue())
    names = [f"images/{at:06d}.png" for at in range(images)]
    for at, name in enumerate(names):
        (folder / name).write_bytes(drawn[at % len(drawn)])
    finding = (rng.random(images) < 0.2).astype(np.int8)
    cases = pd.DataFrame(
        {
            "case_id": [f"i-{at:06d}" for at in range(images)],
            "image": names,
            "finding": finding,
            "sex": rng.choice(["F", "M"], images),
        }
    )
    cases.to_parquet(folder / "cases.parquet", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "model").mkdir()
    scores = pd.DataFrame({"case_id": cases["case_id"]})
    scores["finding"] = np.clip(0.3 * finding + 0.7 * rng.random(images), 0.01, 0.99)
    scores.to_csv(folder / "model" / "scores.csv", index=False)
    digest = hashlib.sha256((folder / "model" / "scores.csv").read_bytes()).hexdigest()
    (folder / "model" / "model.toml").write_text(MODEL.format(sha256=digest), encoding="utf-8")


def audit(study: Path, out: Path, store: Path) -> None:
    """Audit the study in a process of its own; nothing is explained, no model computes here."""
    command = [sys.executable, "-m", "audits.cli", "audit", "--study", str(study)]
    command += ["--model", str(study / "model"), "--explain-cases", "0", "--check-cases", "0"]
    command += ["--out", str(out), "--store", str(store)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure(browser: Browser, app: Served, images: int) -> None:
    """Open the cohort, filter it twenty times, and go to twenty cases that nobody opened before."""
    cold = Waits("open Case review, for the first time", 3)
    with cold.one():
        page = opened(browser, f"{app.url}/case")
        page.get_by_text(f"{images:,} cases").first.wait_for()
    cold.tell()
    before = app.memory
    filters = Waits("another filter", 0.5)
    for at in range(REPEATS):
        with filters.one():
            page.locator(".st-key-show button").nth(1 + at % 2).click()
            page.get_by_text(("furthest on the wrong", "surest miss")[at % 2]).wait_for()
            settle(page)
        time.sleep(PAUSE)
    filters.tell()
    cases = Waits("case to case, image shown, never opened before", 2)
    for case in np.linspace(1, images - 1, REPEATS, dtype=int):
        with cases.one():
            box = page.get_by_label("Case id")
            box.fill(f"i-{case:06d}")
            box.press("Enter")
            page.get_by_role("heading", name=f"Case i-{case:06d}", exact=True).wait_for()
            page.locator("canvas[role=img]").wait_for()
            settle(page)
        time.sleep(PAUSE)
    cases.tell()
    print(f"memory of the server: {before:.0f} MB, {app.memory:.0f} MB after these cases")
    page.context.close()


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="Measure a cohort of many images in a browser.")
    parser.add_argument("--images", type=int, default=50_000)
    images = parser.parse_args().images
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        make_study(folder / "study", images)
        audit(folder / "study", folder / "run", folder / "store")
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        with serving(folder / "store", [folder / "run"]) as app:
            measure(browser, app, images)
        browser.close()


if __name__ == "__main__":
    main()
