"""``auscult compare --study``: against a model folder, or against a run that scored it."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from audits.storage import open_run, verify_run

POLICY = '[audit]\ngroups = ["sex"]\n[suppression]\nrelease = "{}"\n'


def write_model(folder, version, frame, *, task="binary"):
    folder.mkdir(parents=True)
    frame.to_csv(folder / "scores.csv", index=False)
    sha = hashlib.sha256((folder / "scores.csv").read_bytes()).hexdigest()
    (folder / "model.toml").write_text(
        f'[model]\nid = "risk"\nversion = "{version}"\ntask = "{task}"\noutputs = ["died"]\n'
        'space = "probability"\nthresholds = [0.4]\n'
        f'[weights]\nformat = "predictions"\nfile = "scores.csv"\nsha256 = "{sha}"\n',
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def study(tmp_path):
    """Write a study of 400 cases and two versions of its scores; one case lacks the first."""
    rng = np.random.default_rng(5)
    ids = [f"c{i}" for i in range(400)]
    died = rng.integers(0, 2, 400)
    cases = {"case_id": ids, "pid": np.arange(400) // 2, "sex": rng.choice(["F", "M"], 400)}
    folder = tmp_path / "study"
    folder.mkdir()
    pd.DataFrame({**cases, "died": died}).to_csv(folder / "cases.csv", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "stays"\nversion = "1"\n[cases]\ntable = "cases.csv"\npatient = "pid"\n'
        '[labels.died]\ncolumn = "died"\n[groups.sex]\ncolumn = "sex"\n',
        encoding="utf-8",
    )
    for version, noise in (("1", 0.5), ("2", 0.3)):
        score = np.clip(0.4 * died + noise * rng.random(400), 0, 1)
        frame = pd.DataFrame({"case_id": ids, "died": score})
        write_model(tmp_path / version, version, frame.iloc[1:] if version == "1" else frame)
    return folder


@pytest.mark.parametrize("release", ["internal", "restricted"])
def test_a_base_run_gives_the_comparison_that_its_model_gives(auscult, study, tmp_path, release):
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(release), encoding="utf-8")
    shared = ["--study", study, "--policy", policy, "--no-why"]
    ended = auscult("audit", *shared, "--model", tmp_path / "1", "--out", tmp_path / "first")
    assert ended.code == 0, ended.err
    both = ["compare", *shared[:4], "--candidate", tmp_path / "2"]
    ended = auscult(*both, "--base", tmp_path / "1", "--out", tmp_path / "a")
    assert ended.code == 0, ended.err
    ended = auscult(*both, "--base-run", tmp_path / "first", "--out", tmp_path / "b")
    assert ended.code == 0, ended.err
    one, other = open_run(tmp_path / "a"), open_run(tmp_path / "b")
    assert other.exact["comparison"] == one.exact["comparison"]
    assert other.exact["comparison"]["base"] == "risk@1"
    assert other.exact["models"] == one.exact["models"]
    assert other.info["models"] == one.info["models"]
    assert [o["model"] for o in other.evidence["outputs"]] == ["risk@1", "risk@2"]
    assert any("it was not run again" in f["message"] for f in other.exact["findings"])
    assert verify_run(other.path).intact


def test_a_base_run_must_fit(auscult, study, tmp_path):
    models = ["--model", tmp_path / "1", "--model", tmp_path / "2"]
    assert auscult("audit", "--study", study, *models, "--out", tmp_path / "two").code == 0
    write_model(tmp_path / "3", "3", pd.read_csv(tmp_path / "2" / "scores.csv"))
    against = ["compare", "--study", study, "--candidate", tmp_path / "3", "--out", tmp_path / "x"]
    against += ["--base-run", tmp_path / "two"]
    ended = auscult(*against)
    assert ended.code == 2
    assert "holds several models; name one of risk@1, risk@2 with --base-model" in ended.err
    ended = auscult(*against, "--base-model", "risk@9")
    assert (ended.code, "does not hold risk@9" in ended.err) == (2, True)
    again = [*against, "--base-model", "risk@2", "--candidate", tmp_path / "2"]
    ended = auscult(*again)
    assert (ended.code, "so is the candidate" in ended.err) == (2, True)
    table = pd.read_csv(study / "cases.csv").assign(sex="F")
    table.to_csv(study / "cases.csv", index=False)
    ended = auscult(*against, "--base-model", "risk@1")
    assert ended.code == 2
    assert "was made on study stays with sha256" in ended.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--group", "sex"], "--group belongs to --predictions"),
        (["--threshold", "0.5"], "--threshold belongs to --predictions"),
        (["--patient", "pid"], "--patient belongs to --predictions"),
        (["--candidate-score", "s"], "--candidate-score belongs to --predictions"),
        (["--positive", "1"], "--positive belongs to --predictions"),
        (["--scope", "local"], "--scope belongs to --predictions"),
        (["--space", "value"], "--space belongs to --predictions"),
        (["--base-run", "run"], "both name the version in use"),
        (["--base-model", "risk@1"], "--base-model names a model of --base-run"),
    ],
)
def test_what_a_study_declares_is_no_option(auscult, study, tmp_path, more, said):
    known = ["--study", study, "--base", tmp_path / "1", "--candidate", tmp_path / "2"]
    ended = auscult("compare", *known, "--out", tmp_path / "x", *more)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1


@pytest.mark.parametrize("task", ["regression", "survival"])
def test_versions_of_different_tasks_are_refused(auscult, study, tmp_path, task):
    frame = pd.read_csv(tmp_path / "2" / "scores.csv")
    write_model(tmp_path / "odd", "3", frame, task=task)
    known = ["--study", study, "--base", tmp_path / "1", "--candidate", tmp_path / "odd"]
    ended = auscult("compare", *known, "--out", tmp_path / "x")
    assert ended.code == 2
    assert f"the base's task is binary and the candidate's {task}" in ended.err
    assert not (tmp_path / "x").exists()


def test_a_table_has_its_positive_value_and_its_scope(auscult, scores, tmp_path):
    frame = pd.read_csv(scores).assign(old=lambda f: f["risk"] / 2)
    frame["died"] = frame["died"].map({0: "no", 1: "yes"})
    frame.to_csv(scores, index=False)
    command = ["compare", "--predictions", scores, "--label", "died", "--base-score", "old"]
    command += ["--candidate-score", "risk", "--positive", "yes", "--scope", "external"]
    ended = auscult(*command, "--threshold", "0.3", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    evidence = open_run(tmp_path / "run").evidence
    assert evidence["outputs"][0]["label"]["positive"] == "yes"
    assert {output["scope"] for output in evidence["outputs"]} == {"external"}
