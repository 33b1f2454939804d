"""Versions over time: what is alike stands together, and what changed is said."""

from __future__ import annotations

import json

from click.testing import CliRunner

from audits.cli.commands import auscult
from audits.comparison.history import outputs_known, version_history


def run(number: int, model: str, value: float, *, study="s1", margin=0.05, threshold=0.5, **more):
    """Evidence of one version, as far as a history reads it."""
    name, version = model.split("@")
    estimate = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 90}
    output = {
        "name": "died",
        "model": model,
        "label": {"column": "died", "positive": 1},
        "scope": "local",
        "task": "binary",
        "threshold": {"value": threshold},
        "overall": {"metrics": {"tpr": estimate}},
        "groups": [{"attributes": {"sex": "F"}, "metrics": {"tpr": {**estimate, "n": 40}}}],
    }
    audit = {"groups": ["sex"], "intersections": [], "verdict_metrics": ["tpr"], "alpha": 0.05}
    return {
        "run": {"id": f"r{number}", "created": f"2026-01-{number:02}T00:00:00Z"},
        "study": {"name": "stays", "version": study, "sha256": study, "cases": 100 * number},
        "models": [{"id": name, "version": version, "weights_sha256": f"w{version}"}],
        "declaration": {"policy_sha256": f"p{margin}"},
        "policy": {"margin": {"tpr": margin}, "audit": {**audit, "reference": {}}},
        "outputs": [{**output, **more}],
    }


def seen(*runs, **asked):
    return version_history(runs, output="died", metric="tpr", **asked)


def test_versions_on_the_same_data_stand_on_one_strand_in_time():
    found = seen(run(2, "m@2", 0.8), run(1, "m@1", 0.7))
    assert [one.model for one in found] == ["m@1", "m@2"]
    assert [one.strand for one in found] == [1, 1]
    assert found[1].comparable
    assert found[1].changed == ()
    assert found[1].estimate["value"] == 0.8


def test_what_changed_beside_the_model_is_said():
    found = seen(run(1, "m@1", 0.7), run(2, "m@2", 0.8, margin=0.1, threshold=0.3))
    assert found[1].comparable
    assert found[1].changed == ("threshold 0.5 to 0.3", "margin of tpr 0.05 to 0.1")


def test_unlike_is_never_joined():
    label = {"column": "died_90", "positive": 1}
    found = seen(
        run(1, "m@1", 0.7),
        run(2, "m@2", 0.8, study="s2"),
        run(3, "m@3", 0.8, study="s2", label=label),
        run(4, "m@4", 0.9),
    )
    assert [one.strand for one in found] == [1, 2, 3, 1]
    assert [one.comparable for one in found] == [False, False, False, False]
    assert found[1].changed == ("other data: stays, version s1 to s2, 100 to 200 cases",)
    assert "other label: died = 1 to died_90 = 1" in found[2].changed


def test_a_run_made_again_counts_once_at_its_latest():
    found = seen(run(1, "m@1", 0.7), run(2, "m@1", 0.7), run(3, "m@1", 0.7, margin=0.1))
    assert [one.run for one in found] == ["r2", "r3"]


def test_groups_models_and_outputs_are_chosen():
    runs = (run(1, "m@1", 0.7), run(2, "other@1", 0.6))
    assert outputs_known(runs) == ("died",)
    assert [one.model for one in seen(*runs, model="other")] == ["other@1"]
    assert seen(*runs, attributes={"sex": "F"})[0].estimate["n"] == 40
    assert seen(*runs, attributes={"sex": "X"})[0].estimate is None


def test_the_command_shows_a_store(tmp_path):
    table, runs = tmp_path / "t.csv", tmp_path / "runs"
    runs.mkdir()
    rows = "\n".join(f"{row % 2},{row % 7 / 7},{'FM'[row % 2]}" for row in range(60))
    table.write_text(f"y,s,sex\n{rows}\n", encoding="utf-8")
    store = ["--store", str(tmp_path / "store")]
    for number, threshold in enumerate(("0.4", "0.6")):
        command = ["audit", "--predictions", str(table), "--label", "y", "--score", "s"]
        command += ["--group", "sex", "--threshold", threshold, "--no-why"]
        command += ["--out", str(runs / str(number)), *store]
        assert CliRunner().invoke(auscult, command).exit_code == 0
    target = tmp_path / "history.json"
    asked = ["runs", "history", "--metric", "fpr", "--json", str(target), *store]
    ended = CliRunner().invoke(auscult, asked, catch_exceptions=False)
    assert ended.exit_code == 0
    assert "changed beside the model: threshold 0.4 to 0.6" in ended.output
    data = json.loads(target.read_text(encoding="utf-8"))
    assert [one["threshold"] for one in data] == [0.4, 0.6]
    for wrong, said in (
        (["--output", "z"], "--output is one of y"),
        (["--metric", "mae"], "no run has mae"),
        (["--group", "sex"], "write NAME=LEVEL"),
        (["--study", "none"], "holds no run that fits"),
    ):
        ended = CliRunner().invoke(auscult, ["runs", "history", *store, *wrong])
        assert (ended.exit_code, said in ended.output) == (2, True), ended.output
