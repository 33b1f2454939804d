"""The registry remembers every run, also when many write at once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from audits.errors import StoreError
from audits.storage import RunRecord, Store, home_folder, list_runs

RECORD = RunRecord(
    run="r1",
    path=Path("/nowhere"),
    time="2026-01-01T00:00:00Z",
    kind="audit",
    study_name="s",
    study_sha256="study",
    policy_sha256="policy",
    content_key="key",
    models=(("m@1", "weights"),),
)


def test_prior_runs_share_the_study_or_a_model(tmp_path):
    store = Store(tmp_path)
    store.register(RECORD)
    store.register(replace(RECORD, run="r2", study_sha256="other", time="2026-01-02T00:00:00Z"))
    store.register(replace(RECORD, run="r3", study_sha256="other", models=()))
    first = {"run": "r1", "policy_sha256": "policy", "time": "2026-01-01T00:00:00Z"}
    assert store.prior_runs("study", []) == [first]
    assert [r["run"] for r in store.prior_runs("study", ["weights"])] == ["r1", "r2"]
    assert store.prior_runs("new", ["new"]) == []


def test_a_deleted_run_still_counts_as_prior_but_is_not_listed(tmp_path):
    store = Store(tmp_path)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "evidence.json").write_text("{}")
    store.register(replace(RECORD, run="kept", path=kept))
    store.register(RECORD)
    assert [r.run for r in list_runs(store)] == ["kept"]
    assert len(store.prior_runs("study", [])) == 2
    assert list_runs(tmp_path)[0] == replace(RECORD, run="kept", path=kept)


def test_a_moved_run_is_found_at_its_new_place(tmp_path):
    store = Store(tmp_path)
    store.register(RECORD)
    store.moved("r1", tmp_path / "there")
    assert store.records()[0].path == tmp_path / "there"


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from audits.storage import RunRecord, Store
for i in range(20):
    Store(sys.argv[1]).register(RunRecord(
        run=f"{sys.argv[2]}-{i}", path=Path("x"), time="t", kind="audit", study_name="s",
        study_sha256="s", policy_sha256="p", content_key="k", models=(("m@1", "w"),)))
"""


def test_concurrent_writers_all_get_through(tmp_path):
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(i)]) for i in range(4)
    ]
    assert [c.wait(timeout=240) for c in children] == [0, 0, 0, 0]
    assert len(Store(tmp_path).records()) == 80


def test_a_broken_registry_is_one_sentence(tmp_path):
    (tmp_path / "runs.sqlite").write_text("not a database, but long enough to be looked at" * 9)
    with pytest.raises(StoreError, match=r"registry of runs cannot be used.*--store"):
        Store(tmp_path).records()


def test_the_home_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "env"))
    assert home_folder() == tmp_path / "env"
    assert home_folder(tmp_path / "named") == tmp_path / "named"


def test_a_home_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--store or AUSCULT_HOME"):
        home_folder(tmp_path / "file")


def test_the_latest_earlier_run_says_its_margins(tmp_path):
    store = Store(tmp_path / "store")
    policy = {"margin": {"tpr": 0.1}, "shortcuts": {"margin_logits": 0.5}}
    (tmp_path / "evidence.json").write_text(json.dumps({"policy": policy}), encoding="utf-8")
    store.register(RECORD)
    store.register(replace(RECORD, run="r2", time="2026-01-02T00:00:00Z", path=tmp_path))
    first, latest = store.prior_runs("study", [])
    assert "margins" not in first
    assert (latest["margins"], latest["shortcut_margin"]) == ({"tpr": 0.1}, 0.5)
