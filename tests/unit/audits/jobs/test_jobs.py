"""Jobs run by themselves, once each, one at a time, and leave no half run."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from audits.jobs import JobRunner
from audits.jobs.state import PID, take_lock
from audits.jobs.work import LANES
from audits.storage import Store, list_runs, verify_run


@pytest.fixture
def runner(tmp_path):
    return JobRunner(tmp_path / "store")


@pytest.fixture
def busy_lane(tmp_path):
    """Another audit is running."""
    held = take_lock(Store(tmp_path / "store").jobs / LANES["audit"], wait=True)
    yield
    os.close(held)


def until(runner, key, *states, seconds=240):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = runner.job(key)
        if job is not None and job.state in states:
            return job
        time.sleep(0.05)
    pytest.fail(f"still {runner.job(key)} after {seconds} s")


def test_a_job_that_cannot_work_says_why_in_one_sentence(runner, tmp_path):
    job = runner.start("k1", ["--study", str(tmp_path / "none"), "--model", "x"], tmp_path / "run")
    ended = until(runner, job.key, "failed")
    assert "study.toml" in ended.message
    assert "Traceback" not in runner.log("k1")
    assert not (tmp_path / "run").exists()


def test_a_failed_job_starts_again(runner, tmp_path):
    started = set()
    for _ in range(2):
        runner.start("k1", ["--no-such-option"], tmp_path / "run")
        until(runner, "k1", "failed")
        started.add((tmp_path / "store" / "jobs" / "k1" / PID).read_text())
    assert len(started) == 2, "another process for the second start"


@pytest.mark.usefixtures("busy_lane")
def test_jobs_wait_for_the_lane_and_are_shared_and_cancelled(runner, tmp_path):
    first = runner.start("k1", ["--study", "a", "--model", "x"], tmp_path / "run")
    assert first.state == "queued"
    again = JobRunner(tmp_path / "store").start("k1", ["--study", "a"], tmp_path / "run")
    assert again == first, "two people share one job"
    assert [j.key for j in runner.jobs()] == ["k1"]
    until_pid(tmp_path)
    runner.cancel("k1")
    assert until(runner, "k1", "cancelled").ended


def until_pid(tmp_path):
    path = tmp_path / "store" / "jobs" / "k1" / PID
    until_true(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def until_true(asked, seconds=240):
    deadline = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


@pytest.mark.usefixtures("busy_lane")
def test_a_job_that_was_killed_is_found_failed_after_a_restart(runner, tmp_path):
    runner.start("k1", ["--study", "a", "--model", "x"], tmp_path / "run")
    os.kill(until_pid(tmp_path), signal.SIGKILL)
    ended = until(JobRunner(tmp_path / "store"), "k1", "failed")
    assert "start it again" in ended.message


@pytest.mark.usefixtures("busy_lane")
def test_a_job_outlives_the_process_that_started_it(runner, tmp_path):
    code = (
        "import sys; from pathlib import Path; from audits.jobs import JobRunner; "
        "JobRunner(sys.argv[1]).start('k1', ['--study', 'a'], Path(sys.argv[2]))"
    )
    arguments = [str(tmp_path / "store"), str(tmp_path / "run")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    assert runner.job("k1").state == "queued"
    until_pid(tmp_path)
    runner.cancel("k1")
    until(runner, "k1", "cancelled")


def test_unknown_jobs_are_none(runner):
    assert runner.job("nothing") is None
    runner.cancel("nothing")
    assert runner.log("nothing") == ""
    assert runner.jobs() == []


def test_the_key_follows_what_the_audit_is_made_from(runner, tmp_path, monkeypatch):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text("a")
    asked = []
    monkeypatch.setattr(runner, "start", lambda key, arguments, out: asked.append((key, out)))
    runner.start_audit(study, [tmp_path / "model"])
    runner.start_audit(study, [tmp_path / "model"])
    (study / "study.toml").write_text("changed")
    runner.start_audit(study, [tmp_path / "model"])
    runner.start_audit(study, [tmp_path / "model"], seed=1)
    keys = [key for key, _ in asked]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert asked[0][1].parent == tmp_path / "store" / "runs"


@pytest.fixture
def study_and_model(tmp_path):
    """A study of 60 cases and a model that brings its scores."""
    rng = np.random.default_rng(5)
    study, model = tmp_path / "study", tmp_path / "model"
    study.mkdir()
    model.mkdir()
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(60)], "died": rng.integers(0, 2, 60)})
    cases.assign(sex=rng.choice(["F", "M"], 60)).to_csv(study / "cases.csv", index=False)
    (study / "study.toml").write_text(
        '[study]\nname = "small"\nversion = "1"\n[cases]\ntable = "cases.csv"\n'
        '[labels.died]\ncolumn = "died"\n[groups.sex]\ncolumn = "sex"\n'
    )
    scores = pd.DataFrame({"case_id": cases["case_id"], "died": rng.random(60)})
    scores.to_csv(model / "scores.csv", index=False)
    digest = hashlib.sha256((model / "scores.csv").read_bytes()).hexdigest()
    (model / "model.toml").write_text(
        '[model]\nid = "m"\nversion = "1"\ntask = "binary"\noutputs = ["died"]\n'
        'space = "probability"\nthresholds = [0.5]\n[weights]\nformat = "predictions"\n'
        f'file = "scores.csv"\nsha256 = "{digest}"\n'
    )
    return study, model


def test_a_job_makes_a_run_and_the_same_question_gets_it(runner, study_and_model, tmp_path):
    study, model = study_and_model
    job = runner.start_audit(study, [model])
    ended = until(runner, job.key, "done", "failed")
    assert (ended.state, ended.share) == ("done", 1.0), ended.message
    assert verify_run(ended.out).intact
    assert [r.path for r in list_runs(tmp_path / "store")] == [ended.out]
    assert runner.start_audit(study, [model]) == ended
    assert "verdicts" in runner.log(job.key)


def test_a_cancelled_audit_leaves_no_half_run(runner, study_and_model, tmp_path):
    study, model = study_and_model
    policy = tmp_path / "policy.toml"
    os.mkfifo(policy)  # reading it waits, so the audit is caught half way
    job = runner.start_audit(study, [model], policy=policy)
    until(runner, job.key, "running")
    until_message(runner, job.key, "Opening")
    runner.cancel(job.key)
    ended = until(runner, job.key, "cancelled", "failed")
    assert ended.state == "cancelled"
    assert not ended.out.exists()
    assert list_runs(tmp_path / "store") == []


def until_message(runner, key, words):
    until_true(lambda: words in runner.job(key).message)
