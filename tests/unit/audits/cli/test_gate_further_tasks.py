"""``auscult gate --base-run`` of outcomes in time, regions and marks: as a comparison of tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from audits.cli.commands import auscult as command_group
from audits.errors import AuditError

POLICY = """[audit]
groups = ["sex"]
verdict_metrics = ["{metric}"]
[[gate.rule]]
metric = "{metric}"
scope = "every group"
kind = "noninferiority"
limit = 0.1
"""


def follow_up(rng):
    n = 500
    risk = rng.random(n)
    event, left = rng.exponential(1 / (0.2 + 2 * risk)), rng.exponential(2, n)
    return pd.DataFrame(
        {
            "case_id": [f"c{at}" for at in range(n)],
            "pid": np.arange(n) // 2,
            "sex": rng.choice(["F", "M"], n),
            "days": np.minimum(event, left),
            "died": (event <= left).astype(int),
            "old": risk,
            "new": np.clip(risk + 0.1 * rng.normal(size=n), 0, 1),
            "dice_old": 0.7 + 0.2 * risk,
            "dice_new": 0.72 + 0.2 * risk,
        }
    )


def marks(rng):
    """Return 60 images, each with two lesions and a false alarm of either version."""
    rows = []
    for image in range(60):
        for lesion in range(2):
            old = rng.random()
            rows.append((f"i{image}l{lesion}", 1, old, old if rng.random() < 0.9 else np.nan))
        rows += [(f"i{image}o", 0, 0.7 * rng.random(), np.nan)]
        rows += [(f"i{image}n", 0, np.nan, 0.8 * rng.random())]
    frame = pd.DataFrame(rows, columns=["case_id", "died", "old", "new"])
    image = frame["case_id"].str.extract(r"i(\d+)", expand=False).astype(int)
    return frame.assign(image=image, pid=image // 2, sex=np.where(image // 2 % 2, "F", "M"))


TASKS = {
    "survival": ("auc_t", ["--label", "died", "--time", "days", "--event", "died"], "score", ""),
    "detection": ("froc", ["--label", "died", "--image", "image"], "score", ""),
    "segmentation": ("dice", [], "measure", "dice=dice_"),
}


@pytest.mark.parametrize("task", TASKS)
def test_runs_are_gated_as_their_comparison_is(tmp_path, task):
    metric, named, option, prefix = TASKS[task]
    rng = np.random.default_rng(2)
    table = marks(rng) if task == "detection" else follow_up(rng)
    table.to_csv(tmp_path / "both.csv", index=False)
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(metric=metric), encoding="utf-8")
    horizon = ["--horizon", "0.5"] if task == "survival" else []
    shared = [*named, "--task", task, "--patient", "pid", "--group", "sex"]
    shared += ["--case-id", "case_id", "--policy", policy, "--store", tmp_path / "store"]

    def call(*arguments):
        return CliRunner().invoke(command_group, [str(one) for one in arguments])

    for version, other in (("old", "new"), ("new", "old")):
        own = table.drop(columns=other)
        if task == "detection":
            # A false alarm of the other version is no row of this one's table.
            own = own[(own["died"] == 1) | own[version].notna()].iloc[::-1]
        own.to_csv(tmp_path / f"{version}.csv", index=False)
        scored = [f"--{option}", f"{prefix}{version}", *horizon, "--no-why"]
        ended = call(
            *("audit", "--predictions", tmp_path / f"{version}.csv", *shared, *scored),
            *("--out", tmp_path / version),
        )
        assert ended.exit_code == 0, ended.output
    scored = [f"--base-{option}", f"{prefix}old", f"--candidate-{option}", f"{prefix}new", *horizon]
    both = call(
        "compare", "--predictions", tmp_path / "both.csv", *shared, *scored, "--out", tmp_path / "c"
    )
    assert both.exit_code == 0, both.output
    gate = ["--policy", policy, "--store", tmp_path / "store"]
    apart = call("gate", tmp_path / "new", "--base-run", tmp_path / "old", *gate)
    together = call("gate", tmp_path / "c", *gate)
    assert metric in together.output
    said = [
        next(line for line in one.output.splitlines() if metric in line)
        for one in (apart, together)
    ]
    assert said[0] == said[1]
    assert apart.exit_code == together.exit_code


def test_runs_at_other_horizons_are_refused(tmp_path):
    table = follow_up(np.random.default_rng(2))
    table.to_csv(tmp_path / "t.csv", index=False)
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(metric="auc_t"), encoding="utf-8")
    for version, horizon in (("old", "0.5"), ("new", "1")):
        command = ["audit", "--predictions", tmp_path / "t.csv", *TASKS["survival"][1]]
        command += ["--task", "survival", "--score", version, "--group", "sex", "--no-why"]
        command += ["--horizon", horizon, "--out", tmp_path / version]
        ended = CliRunner().invoke(command_group, [str(one) for one in command])
        assert ended.exit_code == 0, ended.output
    command = ["gate", tmp_path / "new", "--base-run", tmp_path / "old", "--policy", policy]
    ended = CliRunner().invoke(command_group, [str(one) for one in command])
    assert isinstance(ended.exception, AuditError)
    assert "judges it at 0.5" in str(ended.exception)
