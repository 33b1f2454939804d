"""A run's summary is read from its evidence once, and again when the run changes."""

from __future__ import annotations

import pytest

from dashboard.queries.cards import RunCard, RunRef, kept_card

REF = RunRef(path="/runs/a", stamp=1)


def card(ref: RunRef, **changed) -> RunCard:
    fields = {
        "ref": ref, "id": "a", "created": "2026-01-01T00:00:00Z", "study": "s",
        "study_version": "1", "cases": None, "patients": 4, "models": ("m@1", "m@2"),
        "verdicts": {"disparity": 1}, "confirmed": 0, "skipped": 0, "release": "internal",
        "policy": "p.toml", "kind": "audit",
    }  # fmt: skip
    return RunCard(**{**fields, **changed})


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def read(ref: RunRef) -> RunCard:
        made.append(ref)
        return card(ref)

    return read


def test_a_summary_is_made_once_and_comes_back_equal(tmp_path, make, made):
    first = kept_card(tmp_path, REF, make)
    assert kept_card(tmp_path, REF, make) == first
    assert made == [REF]


def test_another_audit_in_the_same_folder_is_read_anew(tmp_path, make, made):
    kept_card(tmp_path, REF, make)
    later = RunRef(path=REF.path, stamp=2)
    assert kept_card(tmp_path, later, make).ref == later
    assert made == [REF, later]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "a"}'])
def test_a_damaged_summary_is_made_anew(tmp_path, make, made, text):
    kept_card(tmp_path, REF, make)
    (file,) = (tmp_path / "cache" / "cards").iterdir()
    file.write_text(text, encoding="utf-8")
    assert kept_card(tmp_path, REF, make) == card(REF)
    assert len(made) == 2


def test_a_store_that_cannot_be_written_costs_only_time(tmp_path, make):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert kept_card(blocked, REF, make) == card(REF)
