"""Volumes, segmentations and recordings on Case review, in a real browser."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import pytest

from audits.running import run_study_audit

from .conftest import ROOT, served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(290)]


def _folders():
    path = ROOT / "tests" / "unit" / "audits" / "explanations" / "imaging_folders.py"
    spec = importlib.util.spec_from_file_location("auscult_imaging_folders", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def volumes(tmp_path_factory, browser):
    """Serve one run of thick-sliced volumes."""
    folder, make = Path(tmp_path_factory.mktemp("volumes")), _folders()
    run_study_audit(
        make.volume_study(folder / "ct"),
        [make.volume_model(folder / "model")],
        out=folder / "run",
        store=folder / "store",
        explain_cases=2,
        check_cases=0,
        why=False,
    )
    with served(folder) as url:
        yield url


def _picture(canvas):
    from PIL import Image

    return Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")


def test_three_planes_are_linked_and_nothing_is_sent_back(volumes, browser):
    page = browser.new_page(viewport={"width": 1440, "height": 1400})
    page.set_default_timeout(90_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sent: list[int] = []
    page.on(
        "websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(len(frame)))
    )
    page.goto(f"{volumes}/case?case=ct-1")
    canvas = page.locator("canvas[role=img]")
    canvas.wait_for()
    page.wait_for_timeout(1500)
    assert page.locator("[name=planes]").is_checked()
    box, before = canvas.bounding_box(), len(sent)
    shown = _picture(canvas)
    # The middle of the first panel: a click there moves the other two to that column and row.
    page.mouse.click(box["x"] + box["width"] / 6, box["y"] + box["height"] / 2)
    page.wait_for_timeout(400)
    moved = _picture(canvas)
    third = shown.width // 3
    others = (third, 0, shown.width, shown.height)
    assert shown.crop(others).tobytes() != moved.crop(others).tobytes()
    canvas.focus()
    page.keyboard.press("PageUp")
    page.wait_for_timeout(300)
    assert "of 20" in page.locator("[name=slice] + output").inner_text()
    page.locator("[name=planes]").uncheck()
    page.wait_for_timeout(300)
    assert len(sent) == before, "the viewer spoke to the server"
    assert not complaints
    page.close()
