"""Frames a second of the image viewer, what it sends, and how fast a case opens.

    python -m benchmarks.viewer

A 2048 x 2048 image of 16 bits in headless chromium: frames counted by the page itself while the
mouse drags for two seconds, messages to the server counted on the socket.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from audits.running import run_study_audit
from benchmarks.imaging import model_folder
from model_adapters import manifest_text

SIDE = 2048
DRAG_SECONDS = 2.0
COUNT = """() => { window.frames_seen = 0;
  const tick = () => { window.frames_seen += 1; window.frame_id = requestAnimationFrame(tick); };
  tick(); }"""

STOP = "() => { cancelAnimationFrame(window.frame_id); return window.frames_seen; }"


def study(folder: Path) -> Path:
    """Write a study of three large images."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for at in range(3):
        pixels = (rng.random((SIDE, SIDE)) * 20000 + 15000).astype(np.uint16)
        Image.fromarray(pixels).save(folder / f"{at}.png")
    cases = pd.DataFrame(
        {
            "case_id": [f"c{at}" for at in range(3)],
            "patient_id": ["a", "b", "c"],
            "image": [f"{at}.png" for at in range(3)],
            "lesion": [0, 1, 1],
        }
    )
    cases.to_parquet(folder / "cases.parquet")
    spec = {
        "study": {"name": "large", "version": "1"},
        "cases": {"table": "cases.parquet", "patient": "patient_id"},
        "labels": {"lesion": {"column": "lesion"}},
        "inputs": {"image": {"column": "image", "kind": "png"}},
    }
    (folder / "study.toml").write_text(manifest_text(spec), encoding="utf-8")
    return folder


def drag(page: Any, mode: str) -> float:
    """Return frames a second while the mouse drags over the image."""
    if mode != "zoom":
        page.locator(f"input[name=drag][value={mode}]").check(force=True)
    box = page.locator("canvas[role=img]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    if mode == "zoom":
        page.keyboard.down("Control")
    else:
        page.mouse.down()
    page.evaluate(COUNT)
    start, step = time.perf_counter(), 0
    while time.perf_counter() - start < DRAG_SECONDS:
        step += 1
        if mode == "zoom":
            page.mouse.wheel(0, 40 if step % 20 < 10 else -40)
        else:
            page.mouse.move(x + 60 * np.sin(step / 5), y + 60 * np.cos(step / 7))
    seconds = time.perf_counter() - start
    frames = int(
        page.evaluate("() => { cancelAnimationFrame(window.frame_id); return window.frames_seen; }")
    )
    if mode == "zoom":
        page.keyboard.up("Control")
    else:
        page.mouse.up()
    return frames / seconds


def opening(page: Any, case: str) -> float:
    """Return seconds from asking for a case until its image is on the canvas."""
    field = page.get_by_label("Case id")
    field.fill(case)
    start = time.perf_counter()
    field.press("Enter")
    page.locator(f"canvas[role=img][aria-label*='case {case}']").wait_for()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return time.perf_counter() - start


def main() -> int:
    """Serve, drag, print."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium on this machine; on Debian: apt install chromium")
        return 0
    from playwright.sync_api import sync_playwright

    path = Path(__file__).parents[1] / "tests" / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("auscult_browser", path)
    helper = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helper)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_study_audit(
            study(folder / "study"),
            [model_folder(folder / "model")],
            out=folder / "run",
            store=folder / "store",
            explain_cases=3,
            check_cases=0,
            why=False,
        )
        with helper.served(folder) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 1200})
            page.set_default_timeout(120_000)
            sent: list[Any] = []

            def watch(socket: Any) -> None:
                socket.on("framesent", lambda frame: sent.append(len(frame)))

            page.on("websocket", watch)
            page.goto(f"{url}/case?case=c1")
            page.locator("canvas[role=img]").wait_for()
            page.wait_for_timeout(3000)
            before = len(sent)
            for mode in ("window", "pan", "zoom"):
                print(f"  {mode:8}{drag(page, mode):6.1f} frames a second   goal 50", flush=True)
            print(f"  messages to the server meanwhile: {len(sent) - before}   goal 0")
            for case in ("c0", "c2", "c1"):  # the first visit reads and packs
                print(
                    f"  {case} opened for the first time {opening(page, case):6.2f} s", flush=True
                )
            again = [opening(page, case) for case in ("c0", "c2", "c1") * 4]
            print(
                f"  cached case opens in {statistics.median(again):.2f} s (median of "
                f"{len(again)}, longest {max(again):.2f})   goal 0.5 s",
                flush=True,
            )
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
