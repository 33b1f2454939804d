"""A run is written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from audits.errors import StoreError
from audits.storage import RunWriter, open_run, verify_run


def write_small_run(out):
    with RunWriter(out) as writer:
        writer.write_json("internal/run.json", {"command": "audit"})
        writer.write_table("internal/cases.parquet", pd.DataFrame({"case_id": ["a", "b"]}))
        writer.write_arrays("internal/maps/m@1.npz", {"maps": np.zeros((2, 1, 3, 3))})
        folder = writer.path("internal/explanations/m@1/ward%2F7")
        folder.mkdir()
        (folder / "explanation.json").write_text('{"case": "ward/7"}')
        writer.add("internal/explanations")
        seal = writer.internal_sha256()
        writer.write_json(
            "evidence.json",
            {
                "release": "internal",
                "run": {"id": "r1", "created": "2026-01-01T00:00:00Z", "internal_sha256": seal},
            },
        )
        writer.commit()
    return out


def leftovers(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_committed_run_is_whole_and_intact(tmp_path):
    out = write_small_run(tmp_path / "run")
    assert leftovers(tmp_path) == ["run"]
    assert verify_run(out).intact
    run = open_run(out)
    assert run.id == "r1"
    assert list(run.cases["case_id"]) == ["a", "b"]
    assert run.maps("m@1")["maps"].shape == (2, 1, 3, 3)
    assert run.maps("other@1") is None
    assert run.explained_cases("m@1") == ("ward/7",)
    assert run.explanations("m@1", "ward/7") == [{"case": "ward/7"}]


def test_an_existing_run_is_refused_untouched(tmp_path):
    out = write_small_run(tmp_path / "run")
    with pytest.raises(StoreError, match="already exists"), RunWriter(out):
        pass
    assert verify_run(out).intact


def test_a_name_taken_meanwhile_is_refused(tmp_path):
    out = tmp_path / "run"
    with RunWriter(out) as writer:
        writer.write_json("evidence.json", {})
        out.mkdir()
        with pytest.raises(StoreError, match="already exists"):
            writer.commit()
    assert leftovers(tmp_path) == ["run"]


def fail_half_way(out, failure):
    with RunWriter(out) as writer:
        writer.write_json("internal/run.json", {})
        raise failure


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_run_that_fails_leaves_nothing(tmp_path, failure):
    with pytest.raises(failure):
        fail_half_way(tmp_path / "run", failure)
    assert leftovers(tmp_path) == []


def test_a_run_without_commit_leaves_nothing(tmp_path):
    with RunWriter(tmp_path / "run") as writer:
        writer.write_json("internal/run.json", {})
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written here .*--out"):
        RunWriter(tmp_path / "file" / "run").__enter__()


def test_writing_after_the_end_is_refused(tmp_path):
    with RunWriter(tmp_path / "run") as writer:
        pass
    with pytest.raises(StoreError, match="not open"):
        writer.write_json("late.json", {})


def test_a_displaced_run_is_kept_under_its_id(tmp_path):
    out = write_small_run(tmp_path / "run")
    with RunWriter(out, displace=True) as writer:
        writer.write_json("evidence.json", {"run": {"internal_sha256": writer.internal_sha256()}})
        assert verify_run(out).intact, "the old run stays until the new one is complete"
        assert writer.commit() == tmp_path / "run.r1"
    assert verify_run(tmp_path / "run.r1").intact
    assert verify_run(out).intact


def test_what_is_no_run_is_never_displaced(tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    with RunWriter(out, displace=True) as writer:
        writer.write_json("evidence.json", {})
        with pytest.raises(StoreError, match="already exists"):
            writer.commit()


SLOW_WRITER = """
import sys
from audits.storage import RunWriter
with RunWriter(sys.argv[1]) as writer:
    writer.write_json("internal/run.json", {})
    print("open", flush=True)
    sys.stdin.read()
"""


def start_slow_writer(out):
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(out)],
        stdin=subprocess.PIPE,  # held open by us: the writer ends with us at the latest
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "open\n"
    return child


def end(child, number):
    os.kill(child.pid, number)
    child.communicate(timeout=240)


def test_sigterm_leaves_nothing(tmp_path):
    end(start_slow_writer(tmp_path / "run"), signal.SIGTERM)
    assert leftovers(tmp_path) == []


def test_what_a_killed_writer_left_is_swept_by_the_next(tmp_path):
    alive = start_slow_writer(tmp_path / "run")
    killed = start_slow_writer(tmp_path / "run")
    end(killed, signal.SIGKILL)
    assert len(leftovers(tmp_path)) == 2
    with RunWriter(tmp_path / "run"):
        assert len(leftovers(tmp_path)) == 2, "the part of the living writer must stay"
    end(alive, signal.SIGTERM)
    assert leftovers(tmp_path) == []
