"""Volumes, segmentations and recordings on Case review, in a real browser."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from audits.running import run_study_audit

from .conftest import ROOT, served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(1200)]


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


def _at_rest(page, canvas):
    """Return the picture once it stays as it is: the browser draws when it finds the time."""
    last = None
    while (now := _picture(canvas)).tobytes() != last:
        last = now.tobytes()
        page.wait_for_timeout(200)
    return now


def test_three_planes_are_linked_and_nothing_is_sent_back(volumes, watch):
    watched = watch(url=volumes)
    page = watched.page
    page.set_viewport_size({"width": 1440, "height": 1400})
    watched.open("case?case=ct-1")
    canvas = page.locator("canvas[role=img]")
    canvas.wait_for()
    expect(page.locator("[name=planes]")).to_be_checked()
    watched.settle()
    shown, asked = _at_rest(page, canvas), watched.asked
    third = shown.width // 3
    others = (third, 0, shown.width, shown.height)
    # The image alone stands above, the map below. The middle of the first panel: a click there
    # moves the other two to that column and row.
    canvas.click(position={"x": shown.width / 6, "y": shown.height / 4})
    moved = _at_rest(page, canvas)
    while shown.crop(others).tobytes() == moved.crop(others).tobytes():  # until the test's timeout
        moved = _at_rest(page, canvas)
    told = page.locator("[name=slice] + output")
    expect(told).to_have_text(re.compile("of 20"))
    before = told.inner_text()
    expect(page.locator(".legend .high")).to_contain_text("logits")
    expect(page.locator(".legend .holds")).to_contain_text("the same for all patients")
    canvas.focus()
    page.keyboard.press("PageUp")
    expect(told).not_to_have_text(before)
    page.locator("[name=planes]").uncheck()
    watched.settle()
    assert watched.asked == asked, "the viewer spoke to the server"
    assert not watched.complaints
