"""An audit started from the page: it runs by itself, is shared, and its run appears."""

from __future__ import annotations

import time

import pytest

from dashboard.queries import audits
from dashboard.settings import Settings


@pytest.fixture
def page_with_model(own_run, open_app, run_fixture, monkeypatch):
    model = run_fixture.write_model(own_run / "models" / "scores", own_run / "study")
    app = open_app(own_run / "store")
    monkeypatch.setenv("AUSCULT_DASHBOARD_STUDIES", str(own_run / "study"))
    monkeypatch.setenv("AUSCULT_DASHBOARD_MODELS", str(model))
    app.session_state["start_audit"] = True  # the form is drawn only while it is open
    return app.run(), model


def start(app):
    next(button for button in app.button if button.label == "Start the audit").click().run()


def test_an_audit_started_from_the_page_becomes_a_run(page_with_model, own_run):
    app, model = page_with_model
    app.multiselect[0].select(str(model)).run()
    start(app)
    assert not app.exception
    settings = Settings(store=own_run / "store")
    (key,) = app.session_state["watched_jobs"]
    start(app)  # a second click, or a second person, shares the job
    assert app.session_state["watched_jobs"] == [key]
    assert [job.key for job in audits.runner(settings).jobs()] == [key]
    deadline = time.monotonic() + 280
    while not audits.job(settings, key).ended:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.2)
    job = audits.job(settings, key)
    assert job.state == "done", (job.message, audits.runner(settings).log(key))
    app.run()
    assert not app.exception
    assert "scores, version 1.0" in "\n".join(caption.value for caption in app.caption)


def test_a_failed_audit_says_why(page_with_model, own_run):
    app, model = page_with_model
    (model / "scores.csv").write_text("altered", encoding="utf-8")
    app.multiselect[0].select(str(model)).run()
    start(app)
    settings = Settings(store=own_run / "store")
    (key,) = app.session_state["watched_jobs"]
    deadline = time.monotonic() + 280
    while not audits.job(settings, key).ended:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.2)
    app.run()
    assert not app.exception
    assert "sha256" in "\n".join(error.value for error in app.error)
