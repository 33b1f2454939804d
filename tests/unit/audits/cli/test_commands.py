"""Commands end with one sentence and the right code, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from audits.storage import open_run

COMMANDS = [
    [],
    ["audit"],
    ["explain"],
    ["verify"],
    ["report"],
    ["model"],
    ["model", "check"],
    ["model", "convert"],
    ["dashboard"],
    ["runs"],
    ["runs", "list"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(auscult, command):
    ended = auscult(*command, "--help")
    assert ended.code == 0
    if command not in (["model"], ["runs"]):
        assert "Example" in ended.out
        assert "auscult " in ended.out.split("Example")[1]


def test_help_loads_no_torch_and_no_pandas():
    code = (
        "import sys; from audits.cli.failures import run_guarded; run_guarded(['audit', '--help']);"
        "sys.exit(bool({'torch', 'pandas', 'scipy', 'streamlit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_command_the_help_is_shown(auscult):
    ended = auscult()
    assert ended.code == 2
    assert "Commands:" in ended.out


def test_an_unknown_command_is_one_sentence(auscult):
    ended = auscult("audti")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "auscult --help" in ended.err


@pytest.fixture
def run(auscult, scores, tmp_path):
    command = ["audit", "--predictions", scores, "--label", "died", "--score", "risk"]
    assert auscult(*command, "--group", "sex", "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def test_verify_names_what_was_altered(auscult, run):
    assert auscult("verify", run).code == 0
    (run / "extra.txt").write_text("")
    path = run / "internal" / "cases.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    ended = auscult("verify", run)
    assert ended.code == 1
    assert ended.out.splitlines() == ["altered: internal/cases.parquet", "added: extra.txt"]


def test_verify_of_nothing_is_wrong_use(auscult, tmp_path):
    ended = auscult("verify", tmp_path / "nothing")
    assert ended.code == 2
    assert ended.err.count("\n") == 1


def test_report_writes_json_and_csv(auscult, run, tmp_path):
    for form in ("json", "csv"):
        assert auscult("report", run, "--format", form, "--out", tmp_path / form).code == 0
    assert (tmp_path / "json").read_bytes() == (run / "evidence.json").read_bytes()


def test_report_of_a_format_nobody_knows(auscult, run, tmp_path):
    ended = auscult("report", run, "--format", "stone", "--out", tmp_path / "x")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_runs_are_listed_newest_first_and_vanished_ones_left_out(auscult, run):
    assert open_run(run).id in auscult("runs", "list").out
    run.rename(run.with_name("elsewhere"))
    assert "No runs yet" in auscult("runs", "list").out


def test_an_unexpected_error_leaves_a_log_and_no_traceback(auscult, monkeypatch, tmp_path):
    def fail(_store):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("audits.storage.list_runs", fail)
    ended = auscult("runs", "list")
    assert ended.code == 70
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1
    (log,) = (tmp_path / "store" / "logs").iterdir()
    assert str(log) in ended.err
    assert "a fault of ours" in log.read_text()


def test_an_interrupt_is_one_sentence(auscult, monkeypatch):
    def interrupt(_store):
        raise KeyboardInterrupt

    monkeypatch.setattr("audits.storage.list_runs", interrupt)
    ended = auscult("runs", "list")
    assert ended.code == 130
    assert ended.err.strip() == "Interrupted; nothing was written."


def test_a_pipe_that_closes_early_is_no_error(run, tmp_path):
    command = f"{sys.executable} -m audits.cli runs list --store {tmp_path / 'store'} | true"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True
    )
    assert "Traceback" not in ended.stderr


def test_a_terminated_audit_leaves_nothing(scores, tmp_path):
    policy = tmp_path / "policy.toml"
    os.mkfifo(policy)  # reading it waits, so the audit is caught half way
    command = [
        *(sys.executable, "-m", "audits.cli", "audit", "--predictions", str(scores)),
        *("--label", "died", "--score", "risk", "--group", "sex", "--policy", str(policy)),
        *("--out", str(tmp_path / "run"), "--store", str(tmp_path / "store")),
    ]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "Opening" in child.stderr.readline()
    os.kill(child.pid, signal.SIGTERM)
    _, said = child.communicate(timeout=240)
    assert child.returncode == 143, said
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".*.part"))
