"""What a first case needs is opened beside the list of cases, once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from audits.errors import StudyError
from dashboard.queries import ahead, sources


@pytest.fixture
def opened(monkeypatch):
    """Return what was opened of a run whose study has as many cases as ``cases`` says."""
    done: list[str] = []
    run = SimpleNamespace(evidence={"study": {"cases": 100}})
    monkeypatch.setattr(ahead, "SETTLING", 0.0)
    monkeypatch.setattr(ahead, "_begun", set())
    monkeypatch.setattr(ahead, "load_run", lambda _: run)
    monkeypatch.setattr(sources, "model_folder", lambda _, model: f"models/{model}")
    monkeypatch.setattr(sources, "run_model", lambda _, model: done.append(model))
    monkeypatch.setattr(sources, "everybody", lambda *_: done.append("everybody"))
    return done, run


def test_a_model_is_opened_once(opened):
    done, _ = opened
    thread = ahead.open_ahead("run", "m@1")
    assert thread is not None
    thread.join(120)
    assert done == ["m@1", "everybody"]
    assert ahead.open_ahead("run", "m@1") is None
    assert ahead.open_ahead("run", None) is None


def test_a_large_study_is_left_until_it_is_needed(opened):
    done, run = opened
    run.evidence["study"]["cases"] = 1_000_000
    ahead.open_ahead("run", "m@1").join(120)
    assert done == ["m@1"]


def test_what_cannot_be_opened_is_said_by_the_case_alone(opened, monkeypatch):
    def gone(*_):
        raise StudyError("gone")

    monkeypatch.setattr(sources, "everybody", gone)
    thread = ahead.open_ahead("run", "m@1")
    thread.join(120)  # pytest turns an exception of a thread into a failure
    assert not thread.is_alive()
