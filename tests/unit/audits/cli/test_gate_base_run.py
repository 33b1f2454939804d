"""``auscult gate --base-run``: the old weights are gone, a run of them is left."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from audits.cli.commands import auscult as command_group
from audits.errors import AuditError
from audits.storage import open_run

ROOT = Path(__file__).parents[4]
POLICY = """[audit]
groups = ["sex"]
verdict_metrics = ["tpr", "auroc"]
[suppression]
release = "{release}"
[[gate.rule]]
metric = "tpr"
scope = {scope}
kind = "noninferiority"
limit = 0.1
"""


@pytest.fixture
def scored(tmp_path):
    """Write a study of 900 cases, a version, and one that misses women; return the folder."""
    rng = np.random.default_rng(11)
    ids = [f"c{i}" for i in range(900)]
    died, sex = rng.integers(0, 2, 900), rng.choice(["F", "M"], 900)
    folder = tmp_path / "study"
    folder.mkdir()
    cases = pd.DataFrame({"case_id": ids, "pid": np.arange(900) // 2, "sex": sex, "died": died})
    cases.to_csv(folder / "cases.csv", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "stays"\nversion = "1"\n[cases]\ntable = "cases.csv"\npatient = "pid"\n'
        '[labels.died]\ncolumn = "died"\n[groups.sex]\ncolumn = "sex"\n',
        encoding="utf-8",
    )
    old = np.clip(0.45 * died + 0.5 * rng.random(900), 0, 1)
    new = np.where((sex == "F") & (died == 1), old * 0.7, old)
    for version, score in (("1", old), ("2", new)):
        place = tmp_path / version
        place.mkdir()
        pd.DataFrame({"case_id": ids, "died": score}).to_csv(place / "scores.csv", index=False)
        sha = hashlib.sha256((place / "scores.csv").read_bytes()).hexdigest()
        (place / "model.toml").write_text(
            f'[model]\nid = "risk"\nversion = "{version}"\ntask = "binary"\noutputs = ["died"]\n'
            'space = "probability"\nthresholds = [0.5]\n'
            f'[weights]\nformat = "predictions"\nfile = "scores.csv"\nsha256 = "{sha}"\n',
            encoding="utf-8",
        )
    return tmp_path


def gate(*arguments):
    return CliRunner().invoke(command_group, ["gate", *map(str, arguments)])


def policy_of(folder: Path, scope: str, release: str = "internal") -> Path:
    path = folder / "policy.toml"
    path.write_text(POLICY.format(scope=scope, release=release), encoding="utf-8")
    return path


def audit(auscult, folder: Path, version: str, policy: Path) -> Path:
    out = folder / f"run{version}"
    command = ["audit", "--study", folder / "study", "--model", folder / version, "--no-why"]
    ended = auscult(*command, "--policy", policy, "--out", out)
    assert ended.code == 0, ended.err
    return out


@pytest.mark.parametrize(
    ("scope", "code"), [('{ sex = "F" }', 1), ('{ sex = "M" }', 0), ('"every group"', 1)]
)
def test_a_run_is_gated_against_the_run_in_use(auscult, scored, scope, code):
    policy = policy_of(scored, scope)
    old, new = (audit(auscult, scored, version, policy) for version in "12")
    markdown = scored / "gate.md"
    ended = gate(new, "--base-run", old, "--policy", policy, "--markdown", markdown)
    assert ended.exit_code == code, ended.output
    assert "has not been gated before" in ended.output
    assert "has not been gated before" in markdown.read_text(encoding="utf-8")
    both = ["compare", "--study", scored / "study", "--base", scored / "1"]
    both += ["--candidate", scored / "2", "--policy", policy, "--out", scored / "change"]
    assert auscult(*both).code == 0
    again = gate(scored / "change", "--policy", policy)
    assert again.output.splitlines()[0] == ended.output.splitlines()[0]
    again = gate(scored / "change", "--base-run", old, "--policy", policy)
    assert again.exit_code == 2
    assert "holds a comparison already" in again.output


def test_a_restricted_run_is_gated_at_its_release(auscult, scored):
    policy = policy_of(scored, '{ sex = "F" }', "restricted")
    old, new = (audit(auscult, scored, version, policy) for version in "12")
    ended = gate(new, "--base-run", old, "--policy", policy)
    assert ended.exit_code in (1, 3)
    assert open_run(new).evidence["release"] == "restricted"


def test_unlike_runs_are_refused(auscult, scored):
    policy = policy_of(scored, '"every group"')
    old = audit(auscult, scored, "1", policy)
    cases = pd.read_csv(scored / "study" / "cases.csv").assign(died=lambda f: 1 - f["died"])
    cases.to_csv(scored / "study" / "cases.csv", index=False)
    new = audit(auscult, scored, "2", policy)
    for base, said in ((old, "only compared on the same data"), (new, "is compared with itself")):
        ended = gate(new, "--base-run", base, "--policy", policy)
        assert isinstance(ended.exception, AuditError)
        assert said in str(ended.exception)
    ended = gate(new, "--base-model", "risk@1", "--policy", policy)
    assert (ended.exit_code, "belong to --base-run" in ended.output) == (2, True)


def test_two_tables_that_agree_on_their_cases_are_compared(auscult, scored):
    cases = pd.read_csv(scored / "study" / "cases.csv")
    runs = []
    for version in "12":
        scores = pd.read_csv(scored / version / "scores.csv").rename(columns={"died": "risk"})
        table = cases.merge(scores, on="case_id")
        if version == "2":
            table = table.sample(800, random_state=0)  # other order, and some are missing
        table.to_csv(scored / f"table{version}.csv", index=False)
        command = ["audit", "--predictions", scored / f"table{version}.csv", "--label", "died"]
        command += ["--score", "risk", "--patient", "pid", "--group", "sex", "--case-id", "case_id"]
        command += ["--threshold", "0.5", "--no-why", "--out", scored / f"of_table{version}"]
        assert auscult(*command).code == 0
        runs.append(scored / f"of_table{version}")
    policy = policy_of(scored, '{ sex = "F" }')
    ended = gate(runs[1], "--base-run", runs[0], "--policy", policy)
    assert ended.exit_code == 1, ended.output
    assert "100 cases were scored by" in ended.output
    assert "another policy" in ended.output


def test_the_documented_workflow_is_one(auscult):
    page = (ROOT / "docs" / "release-gate.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert blocks
    commands = []
    for block in blocks:
        workflow = yaml.safe_load(block)
        for job in workflow["jobs"].values():
            assert job["runs-on"]
            for step in job["steps"]:
                assert ("uses" in step) != ("run" in step), step
                commands += [line for line in step.get("run", "").split("\n") if line]
    said = [
        line for line in " ".join(commands).split("auscult ") if line.startswith(("gate", "comp"))
    ]
    assert len(said) >= 2
    for line in said:
        for option in re.findall(r"--[a-z-]+", line):
            help_text = auscult(line.split()[0], "--help").out
            assert option in help_text
