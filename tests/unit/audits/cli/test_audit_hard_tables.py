"""Tables that break audits, through the whole command: a right answer or null with a reason.

What must hold of every number of every evidence file is checked on each; then what is special.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from audits.storage import open_run


def cohort(n=520, seed=3):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(float)
    score = np.clip(0.3 + 0.3 * y + 0.15 * rng.normal(size=n), 0, 1)
    return pd.DataFrame(
        {
            "pid": rng.integers(0, n // 2, n),
            "g": rng.choice(["a", "b", "c"], n),
            "h": rng.choice(["x", "y"], n),
            "y": y,
            "s": score,
        }
    )


def one_class(frame):
    frame.loc[frame["g"] == "a", "y"] = 0.0
    frame.loc[frame["g"] == "b", "y"] = 1.0


def constant(frame):
    frame["s"] = 0.5


def ties(frame):
    frame["s"] = np.where(frame["s"] > 0.5, 0.75, 0.25)


def group_of_one(frame):
    frame.loc[0, ["g", "h"]] = ["alone", "x"]


def many_levels(frame):
    frame["g"] = [f"level {i % 500}" for i in range(len(frame))]


def labels_missing(frame):
    frame.loc[frame["g"] == "a", "y"] = np.nan


def nan_scores(frame):
    frame.loc[frame.index % 5 == 0, "s"] = np.nan


def odd_weights(frame):
    frame["w"] = np.where(frame["g"] == "a", 1e-3, 7.5)
    frame.loc[frame.index[:3], "w"] = 0.0


CASES = [
    one_class, constant, ties, group_of_one, many_levels, labels_missing, nan_scores, odd_weights,
]  # fmt: skip


def sound(value, where=""):
    """Check every estimate and every p of the evidence."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            estimate(value, where)
        for key, item in value.items():
            if key in {"p", "q", "p_margin", "q_margin", "p_equivalence"}:
                assert item is None or 0 <= item <= 1, f"{where}/{key}"
            sound(item, f"{where}/{key}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            sound(item, f"{where}/{at}")


def estimate(one, where):
    value, low, high = one["value"], one["low"], one["high"]
    if value is None or low is None or high is None:
        assert one.get("reason"), where
    else:
        assert low < high, where
        assert low - 1e-12 <= value <= high + 1e-12, where


@pytest.fixture
def audited(auscult, tmp_path):
    """Audit a table by the command and return the evidence, which holds no NaN."""

    def run(change, *more):
        frame = cohort()
        change(frame)
        path = tmp_path / "table.parquet"
        frame.to_parquet(path)
        ended = auscult(
            *("audit", "--predictions", path, "--label", "y", "--score", "s", "--patient", "pid"),
            *("--group", "g", "--group", "h", "--intersect", "g,h", "--threshold", "0.5"),
            *("--out", tmp_path / "run", *more),
        )
        assert (ended.code, "Traceback" in ended.err) == (0, False), ended.err
        text = (tmp_path / "run" / "evidence.json").read_text()
        assert "NaN" not in text
        assert "Infinity" not in text
        evidence = json.loads(text)
        sound(evidence["outputs"])
        assert open_run(tmp_path / "run").evidence == evidence
        return frame, evidence["outputs"][0], evidence

    return run


def group_of(output, **attributes):
    return next(g for g in output["groups"] if g["attributes"] == attributes)


@pytest.mark.parametrize("change", CASES, ids=lambda case: case.__name__)
def test_every_number_is_right_or_has_a_reason(audited, change):
    more = ("--weight", "w") if change is odd_weights else ()
    more += () if change in {one_class, ties} else ("--no-why",)
    frame, output, evidence = audited(change, *more)
    used = frame.dropna(subset=["y", "s"])
    if change is odd_weights:
        used = used[used["w"] > 0]
        known = used[used["y"] == 1]
        wanted = np.average(known["s"] >= 0.5, weights=known["w"])
        assert output["overall"]["metrics"]["tpr"]["value"] == pytest.approx(wanted, abs=1e-12)
    assert output["overall"]["n"] == len(used)
    for g, rows in used.groupby("g"):
        found = group_of(output, g=g)
        assert (found["n"], found["positives"]) == (len(rows), rows["y"].sum())
    if change is many_levels:
        assert sum(list(g["attributes"]) == ["g"] for g in output["groups"]) == 500
    if change is not odd_weights:
        assert len(evidence["skipped"]) == len(frame) - len(used)


def test_one_class_groups_have_no_rate_of_the_other_class(audited):
    _, output, _ = audited(one_class)
    for level, lacking in (("a", ("tpr", "fnr", "auroc")), ("b", ("fpr", "tnr", "auroc"))):
        metrics = group_of(output, g=level)["metrics"]
        assert all(metrics[name]["value"] is None for name in lacking)
    verdicts = {c["verdict"] for c in output["comparisons"] if c["group"].get("g") == "a"
                and c["metric"] in {"tpr", "auroc"}}  # fmt: skip
    assert verdicts == {"not_evaluable"}


def test_constant_scores_rank_nobody(audited):
    _, output, _ = audited(constant)
    area = output["overall"]["metrics"]["auroc"]
    assert area["value"] == 0.5
    assert output["overall"]["metrics"]["calibration_slope"]["value"] is None
    assert {c["verdict"] for c in output["comparisons"] if c["metric"] == "auroc"} <= {
        "equivalent", "inconclusive", "not_evaluable",
    }  # fmt: skip


def test_a_group_of_one_is_listed_and_not_evaluable(audited):
    _, output, _ = audited(group_of_one)
    assert group_of(output, g="alone")["n"] == 1
    found = [c for c in output["comparisons"] if c["group"] == {"g": "alone"}]
    assert {c["verdict"] for c in found} == {"not_evaluable"}


def test_a_group_without_any_label_is_there_and_says_so(audited):
    frame, output, evidence = audited(labels_missing)
    group = group_of(output, g="a")
    assert group["n"] == 0
    assert {m["value"] for m in group["metrics"].values()} == {None}
    assert len(evidence["skipped"]) == (frame["g"] == "a").sum()
