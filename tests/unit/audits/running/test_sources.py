"""The chain of hashes goes back to the table, the study and the models of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cli.failures import run_guarded as main


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "store"))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    frame = {"y": y, "s": (y * 0.4 + rng.random(300) * 0.6), "sex": rng.choice(["F", "M"], 300)}
    table = tmp_path / "scores.csv"
    pd.DataFrame(frame).to_csv(table, index=False)
    run = tmp_path / "run"
    policy = tmp_path / "policy.toml"
    policy.write_text("[margin]\ntpr = 0.1\n", encoding="utf-8")
    command = ["audit", "--predictions", table, "--label", "y", "--score", "s", "--group", "sex"]
    assert main([str(word) for word in [*command, "--policy", policy, "--out", run]]) == 0
    return table, run


def test_verify_follows_the_chain_to_the_table(made, capsys):
    table, run = made
    assert main(["verify", str(run), "--sources"]) == 0
    assert f"intact: table {table}" in capsys.readouterr().out
    table.write_text(table.read_text().replace("F", "M", 1))
    assert main(["verify", str(run)]) == 0
    assert main(["verify", str(run), "--sources"]) == 1
    assert f"altered: table {table}" in capsys.readouterr().out
    table.unlink()
    assert main(["verify", str(run), "--sources"]) == 1
    assert f"missing: table {table}" in capsys.readouterr().out


def test_verify_follows_the_chain_to_the_policy(made, capsys):
    table, run = made
    policy = table.with_name("policy.toml")
    assert str(policy) not in (run / "evidence.json").read_text()
    assert main(["verify", str(run), "--sources"]) == 0
    assert f"intact: policy {policy}" in capsys.readouterr().out
    policy.write_text("[margin]\ntpr = 0.3\n", encoding="utf-8")
    assert main(["verify", str(run), "--sources"]) == 1
    assert f"altered: policy {policy}" in capsys.readouterr().out
    policy.unlink()
    assert main(["verify", str(run), "--sources"]) == 1
    assert f"missing: policy {policy}" in capsys.readouterr().out
