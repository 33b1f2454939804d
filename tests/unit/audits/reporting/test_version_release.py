"""What changed between two versions does not tell how few cases changed."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from audits.cli.failures import run_guarded
from audits.reporting.release import restrict
from audits.storage import open_run

CELL = 10
COUNTS = ("n", "k", "positives", "patients", "missed_positives", "found_positives", "n_patients")
CALLS = ("tpr", "fpr", "tnr", "fnr", "accuracy", "selection_rate", "ppv", "npv", "net_benefit")


def table(seed, n, changed, groups=("F", "M", "X")):
    """Scores of two versions of which a share of the calls differs."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    old = np.clip(0.3 * y + 0.7 * rng.random(n), 0, 1)
    new = np.where(rng.random(n) < changed, rng.random(n), old)
    share = rng.dirichlet(np.full(len(groups), 2.0))
    return pd.DataFrame(
        {
            "y": y,
            "old": old,
            "new": new,
            "sex": rng.choice(groups, n, p=share),
            "site": rng.choice(["north", "south"], n),
        }
    )


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Return a maker of the exact evidence of a comparison."""
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "store"))
    number = itertools.count()

    def make(frame):
        out = tmp_path / str(next(number))
        frame.to_csv(out.with_suffix(".csv"), index=False)
        command = ["compare", "--predictions", out.with_suffix(".csv"), "--label", "y"]
        command += ["--base-score", "old", "--candidate-score", "new", "--threshold", "0.5"]
        command += ["--group", "sex", "--group", "site", "--intersect", "sex,site", "--out", out]
        assert run_guarded([str(word) for word in command]) == 0
        return open_run(out).exact

    return make


def walk(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from walk(part, (*path, key))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from walk(part, (*path, at))
    else:
        yield path, value


def discordant(group):
    lost, won = group["negative_flips"], group["positive_flips"]
    yield from (lost["k"], won["k"], lost["missed_positives"], won["found_positives"])
    yield lost["k"] - lost["missed_positives"]
    yield won["k"] - won["found_positives"]


@pytest.mark.parametrize(
    ("seed", "n", "changed"),
    [(0, 200, 0.05), (1, 600, 0.1), (2, 2000, 0.02), (3, 60, 0.5), (4, 3000, 0.3), (5, 900, 0.0)],
)
def test_no_small_count_is_left_in_a_comparison(compared, seed, n, changed):
    exact = compared(table(seed, n, changed))
    shown = restrict(exact, cell=CELL)["comparison"]
    for path, value in walk(shown):
        if path[-1] in COUNTS and isinstance(value, int):
            assert value == 0 or value > CELL, path
    exact_output, output = exact["comparison"]["outputs"][0], shown["outputs"][0]
    pairs = list(zip(exact_output["groups"], output["groups"], strict=True))
    for before, after in pairs:
        assert after["attributes"] == before["attributes"]
        assert set(before["metrics"]) == set(after["metrics"])
        if not any(1 <= count <= CELL for count in discordant(before)):
            continue
        assert after["negative_flips"]["k"] is None
        assert after["positive_flips"]["found_positives"] is None
        for metric in CALLS:
            entry = after["metrics"][metric]
            assert entry["p"] is None
            assert entry["q"] is None
            assert entry["delta"]["low"] is None
            assert entry["delta_90"] == [None, None]
            assert entry["difference_in_differences"]["value"] is None
    hidden = [after for _, after in pairs if after["negative_flips"]["k"] is None]
    if any(group["attributes"] for group in hidden):
        assert all(group in hidden for _, group in pairs if group["attributes"])


def test_a_masked_estimate_is_masked_on_both_sides_and_in_the_change(compared):
    frame = table(4, 3000, 0.3, ("F", "M"))
    rare = (frame["sex"] == "F") & (frame["y"] == 1)
    frame = frame.drop(frame[rare].index[5:])
    exact = compared(frame)
    shown = restrict(exact)
    women = next(
        group
        for group in shown["comparison"]["outputs"][0]["groups"]
        if group["attributes"] == {"sex": "F"}
    )
    assert women["positives"] is None
    for metric in ("tpr", "auroc"):
        entry = women["metrics"][metric]
        assert [entry[side]["value"] for side in ("base", "candidate", "delta")] == [None] * 3
        assert entry["delta"]["suppressed"]
    audited = {str(g["attributes"]): g for g in shown["outputs"][0]["groups"]}
    for group in shown["comparison"]["outputs"][0]["groups"][1:]:
        assert (group["n"] is None) == (audited[str(group["attributes"])]["n"] is None)


def test_nothing_is_masked_where_every_count_is_large(compared):
    rng = np.random.default_rng(0)
    frame = pd.concat([table(4, 3000, 0.5, ("F", "M"))] * 3)
    exact = compared(frame.assign(site=rng.choice(["north", "south"], 9000)))
    shown = restrict(exact)["comparison"]["outputs"][0]
    for before, after in zip(
        exact["comparison"]["outputs"][0]["groups"], shown["groups"], strict=True
    ):
        assert after.pop("suppressed") is False
        assert before.pop("reclassification")  # finer than a restricted release may show
        assert after == before
    assert "risk bands" in shown["withheld"]
    assert "shrinkage" not in shown


def test_a_few_cases_that_one_version_missed_are_not_shown_by_subtraction(compared):
    frame = pd.concat([table(4, 3000, 0.5, ("F", "M"))] * 3, ignore_index=True)
    frame.loc[:3, "new"] = np.nan
    shown = restrict(compared(frame))["comparison"]["outputs"][0]
    for group in shown["groups"]:
        assert group["n"] is None
        assert group["metrics"]["tpr"]["verdict"] is not None
