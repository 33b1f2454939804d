"""What the three people come for, from the first click to the file in their hands."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from audits.storage import Reviews, list_runs, open_run

SAMPLES = Path(__file__).parents[2] / "sample_data"
AUDIT = 1200
"""Seconds that an audit started from the page may take; twenty on a quiet machine."""
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(3600)]


def _quiet(watched) -> None:
    assert not watched.outside
    assert not watched.complaints
    assert watched.page.locator('[data-testid="stException"]').count() == 0


def _run_of(store, study: str) -> str:
    """Return the study's first run: other walks may have made later ones."""
    held = reversed(list_runs(store))
    return next(record.run for record in held if record.study_name == study)


def _path_of(store, run: str) -> Path:
    return next(record.path for record in list_runs(store) if record.run == run)


def _run_after(watched, store, known: set[str]):
    """Wait for a run that is not known yet, unless the page says that its audit failed."""
    deadline = time.monotonic() + AUDIT
    while time.monotonic() < deadline:
        for record in list_runs(store):
            if record.run not in known:
                return record
        failed = watched.page.get_by_text("An audit ended early")
        assert not failed.count(), watched.page.locator('[data-testid="stAlert"]').all_inner_texts()
        watched.page.wait_for_timeout(500)
    raise AssertionError("the audit does not end")


def test_a_clinician_finds_a_missed_nodule_estimates_and_disagrees(watch, walk):
    url, store = walk
    watched = watch(url=url)
    page = watched.page
    watched.open(f"case?run={_run_of(store, 'chest_xray')}&output=nodule&show=missed")
    page.get_by_text("surest miss first").wait_for()
    case = page.get_by_label("Case id")
    watched.select_row(page.locator(".st-key-case_table canvas").first)
    page.locator("h2", has_text="Case cxr-").wait_for()
    expect(case).to_have_value(re.compile("cxr-"))
    missed = case.input_value()
    prediction = page.locator(".st-key-prediction")
    prediction.get_by_text("✗ Missed").first.wait_for()  # of both versions, perhaps
    prediction.get_by_text("in 100").first.wait_for()
    page.locator("canvas[role=img]").wait_for()
    page.get_by_text("Your estimate first").first.click()
    page.get_by_role("button", name="Give this estimate").wait_for()
    watched.settle()
    expect(page.get_by_text("Predicted risk")).to_have_count(0)
    expect(prediction).to_have_count(0)
    page.get_by_role("button", name="Give this estimate").click()
    page.get_by_text("You estimated 50.0 %").wait_for()
    watched.settle()
    page.get_by_role("tab", name="Your opinion").click()
    watched.settle()
    page.get_by_text("✗ I disagree").click()
    page.get_by_role("textbox", name="Why", exact=True).fill(
        "A nodule behind the rib, seen before the prediction"
    )
    page.get_by_role("button", name="Record").click()
    page.get_by_text("Recorded:").wait_for()
    saved = watched.download(page.get_by_role("button", name="Download CSV"))
    with saved.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["estimate", "disagree"]
    assert {row["case"] for row in rows} == {missed}
    assert [one.kind for one in Reviews(store).listed()] == ["estimate", "disagree"]
    _quiet(watched)


def test_a_reviewer_declares_a_policy_audits_exports_and_verifies(watch, walk):
    url, store = walk
    watched = watch(url=url)
    page = watched.page
    watched.open("")
    page.get_by_text("Start an audit").click()
    page.get_by_role("button", name="Start the audit").wait_for()
    watched.settle()  # study and model are those of the start: chosen already
    known = {record.run for record in list_runs(store)}
    page.get_by_role("button", name="Start the audit").click()
    made = _run_after(watched, store, known)
    page.get_by_text("scores, version 1.0").first.wait_for()
    real = _run_of(store, "icu_deterioration")
    watched.open(f"bias?run={real}&section=declare")
    page.get_by_label("Margin: Sensitivity").fill("0.08")
    page.get_by_label("Reason for the margin of Sensitivity").fill("Eight in a hundred, agreed.")
    page.get_by_role("button", name="Declare and start the audit").click()
    second = _run_after(watched, store, {*known, made.run})
    assert second.study_name == "icu_deterioration"
    policy = next((store / "policies").glob("*.toml"))
    assert tomllib.loads(policy.read_text())["margin"]["tpr"] == 0.08
    evidence = open_run(second.path).evidence
    assert evidence["policy"]["margin"]["tpr"] == 0.08
    assert real in {prior["run"] for prior in evidence["prior_runs"]}
    for run in (second.run, _run_of(store, "chest_xray")):
        _sign_export_and_verify(watched, run)
    _quiet(watched)


def _sign_export_and_verify(watched, run: str) -> None:
    page = watched.page
    watched.open(f"reports?run={run}")
    page.get_by_role("tab", name="Sign-off").click()
    watched.settle()
    page.get_by_role("textbox", name="Your name and position").fill("R. Reviewer, quality office")
    page.keyboard.press("Enter")
    watched.settle()
    page.locator(".st-key-signoff_kind").get_by_text("Sign", exact=True).click()
    watched.settle()
    page.get_by_role("textbox", name="Conditions or reasons").fill(
        "The margin was agreed beforehand."
    )
    page.locator('[data-testid="stFormSubmitButton"] button').filter(has_text="Sign").click()
    page.get_by_text("Signed:").first.wait_for()
    page.get_by_role("tab", name="Exports").click()
    watched.settle()
    page.get_by_role("button", name="Verify now").click()
    page.get_by_text("Intact").wait_for()
    saved = watched.download(
        page.get_by_role("button", name=re.compile("json", re.IGNORECASE)).first
    )
    assert json.loads(saved.read_bytes())["run"]["id"] == run


@pytest.mark.parametrize("study", ["chest_xray", "icu_deterioration"])
def test_an_owner_compares_gates_and_opens_a_changed_call(watch, walk, study):
    url, store = walk
    watched = watch(url=url)
    page = watched.page
    run = _run_of(store, study)
    policy = SAMPLES / study / "policy.toml"
    command = [sys.executable, "-m", "audits.cli", "gate", _path_of(store, run), "--policy", policy]
    gated = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        check=False,
        env={**os.environ, "AUSCULT_HOME": str(store)},
    ).returncode
    watched.open(f"compare?run={run}")
    page.get_by_role("tab", name="Gate preview").click()
    # The radiographs' policy asks for a verdict on shortcuts, which this short audit left out.
    said = {2: "finds nothing to judge"}.get(gated, f"would end with exit code {gated}.")
    page.get_by_text(said).wait_for()
    assert (study == "chest_xray") is (gated == 2)
    watched.open(f"compare?run={run}&section=thresholds")
    # One of each version, both in their places: which one is the first is settled then.
    expect(page.get_by_role("slider")).to_have_count(2)
    slider = page.get_by_role("slider").first
    before = slider.input_value()
    slider.press("ArrowRight")
    page.get_by_text("Exploratory").first.wait_for()
    assert float(slider.input_value()) > float(before)
    expect(page.locator(".live-forest .mark").first).to_be_visible()
    page.get_by_text("Show the numbers").first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download SVG").click()
    assert Path(saved.value.path()).read_text(encoding="utf-8").count("<rect") > 1
    page.get_by_role("button", name="Back to").first.click()
    page.get_by_text("At the declared thresholds").wait_for()
    expect(slider).to_have_value(before)  # the server moves it; the text may come first
    page.get_by_role("tab", name="Changed calls").click()
    page.locator(".js-plotly-plot").first.wait_for()
    watched.settle()
    page.get_by_text("Show the numbers").first.click()
    saved = watched.download(page.get_by_role("button", name="Download SVG"))
    assert saved.read_text(encoding="utf-8").startswith("<svg")
    page.get_by_role("link", name="Case review", exact=True).first.click()
    # Both pages speak of changed calls; the tab of the one that goes must not take the click.
    page.get_by_role("heading", name="Case review", exact=True, level=1).wait_for()
    watched.settle()
    page.get_by_text("Changed calls").first.click()
    page.get_by_text("highest risk first").wait_for()
    expect(page).to_have_url(re.compile("show=changed"))
    watched.settle()
    _quiet(watched)
