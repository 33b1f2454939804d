"""``auscult compare`` and ``auscult gate`` from a table to exit codes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from audits import compare_predictions
from audits.cli.commands import auscult
from audits.cli.failures import run_guarded
from audits.errors import PolicyError
from audits.storage import Store, verify_run

POLICY = """
[audit]
groups = ["sex"]
verdict_metrics = ["tpr", "auroc"]
[margin]
tpr = 0.1
auroc = 0.05
[reasons]
"margin.tpr" = "test"
"margin.auroc" = "test"
[suppression]
release = "internal"
[[gate.rule]]
metric = "tpr"
scope = {scope}
kind = "noninferiority"
limit = 0.1
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 2400
    y = (rng.random(n) < 0.4).astype(int)
    sex = np.where(rng.random(n) < 0.5, "F", "M")
    old = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
    new = np.where((sex == "F") & (y == 1), old * 0.6, old)
    frame = pd.DataFrame({"y": y, "old": old, "new": new, "sex": sex, "pid": np.arange(n) // 2})
    frame.loc[3, "new"] = np.nan
    frame.to_csv(tmp_path / "scores.csv", index=False)
    return tmp_path / "scores.csv"


def compare(table: Path, *extra: str) -> Path:
    out = table.parent / "run"
    policy = table.parent / "policy.toml"
    policy.write_text(POLICY.replace("{scope}", '{ sex = "F" }'), encoding="utf-8")
    args = ["compare", "--predictions", str(table), "--label", "y", "--base-score", "old"]
    args += ["--candidate-score", "new", "--group", "sex", "--patient", "pid"]
    args += ["--threshold", "0.5", "--policy", str(policy), "--out", str(out)]
    args += ["--store", str(table.parent / "store"), *extra]
    result = CliRunner().invoke(auscult, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "newly wrong" in result.output
    return out


def test_a_comparison_is_a_whole_run(table: Path):
    out = compare(table)
    evidence = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    comparison = evidence["comparison"]
    assert (comparison["base"], comparison["candidate"]) == ("old", "new")
    groups = comparison["outputs"][0]["groups"]
    assert [group["attributes"] for group in groups] == [{}, {"sex": "F"}, {"sex": "M"}]
    assert groups[1]["metrics"]["tpr"]["verdict"] == "worse"
    assert groups[2]["metrics"]["tpr"]["verdict"] == "equivalent"
    assert groups[0]["n"] == 2399
    assert [output["model"] for output in evidence["outputs"]] == ["old", "new"]
    checked = verify_run(out)
    assert checked.files > 0
    assert checked.intact


def test_the_function_says_what_the_command_says(table: Path):
    out = compare(table)
    evidence = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    again = compare_predictions(
        table,
        label="y",
        base_score="old",
        candidate_score="new",
        groups=["sex"],
        patient="pid",
        threshold=0.5,
        policy=table.parent / "policy.toml",
    )
    assert again.to_dict() == evidence["comparison"]


@pytest.mark.parametrize(
    ("scope", "code", "word"),
    [('{ sex = "F" }', 1, "FAIL"), ('{ sex = "M" }', 0, "PASS"), ('"every group"', 1, "FAIL")],
)
def test_the_gate_ends_with_the_exit_code_of_the_worst_rule(
    table: Path, scope: str, code: int, word: str
):
    out = compare(table)
    rules = table.parent / "gate.toml"
    rules.write_text(POLICY.replace("{scope}", scope), encoding="utf-8")
    junit, markdown = table.parent / "gate.xml", table.parent / "gate.md"
    args = ["gate", str(out), "--policy", str(rules)]
    args += ["--junit", str(junit), "--markdown", str(markdown)]
    args += ["--store", str(table.parent / "store")]
    result = CliRunner().invoke(auscult, args)
    assert result.exit_code == code
    assert result.output.startswith(word)
    assert junit.read_text(encoding="utf-8").startswith("<?xml")
    assert "| rule |" in markdown.read_text(encoding="utf-8")


def gate(table: Path, run: Path, store: str = "store"):
    args = ["gate", str(run), "--policy", str(table.parent / "policy.toml")]
    return CliRunner().invoke(auscult, [*args, "--store", str(table.parent / store)])


def test_the_gate_counts_how_often_a_test_set_was_used(table: Path):
    out = compare(table)
    assert "has not been gated before in this store" in gate(table, out).output
    again = gate(table, out).output
    assert "This test set has been gated once before, last on 2" in again
    assert "gated 2 times before" in gate(table, out).output
    assert "has not been gated before" in gate(table, out, "another").output
    evidence = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    records = Store(table.parent / "store").gates(evidence["study"]["sha256"])
    assert [record.exit_code for record in records] == [1, 1, 1]
    assert {record.run for record in records} == {evidence["run"]["id"]}
    # A report that cannot be written is wrong use, and no use of the test set.
    args = [
        "gate",
        out,
        "--policy",
        table.parent / "policy.toml",
        "--store",
        table.parent / "store",
    ]
    ended = CliRunner().invoke(auscult, [*map(str, args), "--junit", str(out / "no" / "gate.xml")])
    assert ended.exit_code == 2
    assert "cannot be written" in ended.output
    assert len(Store(table.parent / "store").gates(evidence["study"]["sha256"])) == 3


def test_a_registry_from_before_the_gates_is_taken_over(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as db:
        db.execute("CREATE TABLE run_models (run TEXT, weights_sha256 TEXT)")
        db.execute("CREATE INDEX runs_by_weights ON run_models (weights_sha256)")
    assert Store(tmp_path).gates("x") == []


def test_a_threshold_chosen_on_the_test_set_cannot_pass(table: Path):
    sha = hashlib.sha256(table.read_bytes()).hexdigest()
    out = compare(table, "--threshold-chosen-on", sha)
    result = CliRunner().invoke(
        auscult, ["gate", str(out), "--policy", str(table.parent / "policy.toml")]
    )
    assert isinstance(result.exception, PolicyError)
    assert "new, y: its threshold was chosen on the very cases" in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--candidate-score", "old"], "2 candidate scores"),
        (["--group", "ward"], "'ward'"),
        (["--study", "somewhere"], "--predictions stands alone"),
    ],
)
def test_bad_input_is_one_sentence(table: Path, change, said, capsys):
    args = ["compare", "--predictions", str(table), "--label", "y", "--base-score", "old"]
    args += ["--candidate-score", "new", "--threshold", "0.5", "--out", str(table.parent / "x")]
    args += ["--store", str(table.parent / "store"), *change]
    assert run_guarded(args) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert "Traceback" not in "\n".join(error)
    assert not (table.parent / "x").exists()
