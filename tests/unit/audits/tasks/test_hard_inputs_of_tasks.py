"""Hard inputs through every task: a right answer or a null with a reason, never a crash."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions

STAYS = {"stay": "stay", "at": "at", "event": "event", "window": 6}
TASKS = {
    "weighted": {"label": "y", "score": "p", "weight": "w", "threshold": 0.5},
    "survival": {"task": "survival", "time": "t", "event": "y", "score": "p", "horizon": 8},
    "regression": {"task": "regression", "space": "value", "label": "los", "score": "hat"},
    "ordinal": {"task": "ordinal", "space": "value", "label": "grade", "score": "guess"},
    "segmentation": {"task": "segmentation", "measures": {"dice": "d", "hd95": "h"}},
    "detection": {"task": "detection", "label": "y", "score": "p", "image": "image"},
    "stays": {"label": "y", "score": "p", "threshold": 0.5, "stays": STAYS},
}


def hard(case, n=240):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "y": rng.integers(0, 2, n),
            "p": rng.random(n),
            "t": rng.exponential(10, n),
            "w": rng.gamma(2, 1, n),
            "g": rng.choice(list("ABC"), n),
            "pid": rng.integers(0, n // 2, n),
            "los": rng.normal(5, 2, n),
            "hat": rng.normal(5, 2, n),
            "grade": rng.integers(0, 4, n),
            "guess": rng.integers(0, 4, n),
            "d": rng.random(n),
            "h": rng.gamma(2, 3, n),
            "image": rng.integers(0, 60, n),
            "stay": rng.integers(0, 40, n),
            "at": rng.uniform(0, 48, n).round(),
        }
    )
    frame["event"] = np.where(frame["stay"] % 3, np.nan, 49.0)
    first = frame["g"] == "A"
    if case == "one class":
        frame.loc[first, "y"] = 1
    elif case == "constant":
        frame = frame.assign(p=0.5, hat=5.0, d=0.7, guess=2)
    elif case == "ties":
        frame = frame.assign(p=frame["p"].round(1), t=frame["t"].round())
    elif case == "a group of one":
        frame.loc[0, "g"] = "Z"
    elif case == "many levels":
        frame["g"] = rng.integers(0, 120, n).astype(str)
    elif case == "no labels in a group":
        frame = frame.astype({"y": float, "grade": float})
        frame.loc[first, ["y", "t", "los", "grade", "d", "h"]] = np.nan
        frame.loc[first, "p"] = np.nan
    elif case == "no scores in a group":
        frame.loc[first & (frame["y"] == 1), "p"] = np.nan
        frame = frame.astype({"guess": float})
        frame.loc[first, ["hat", "guess", "h"]] = np.nan
    elif case == "nobody has it":
        frame["y"] = 0
    elif case == "one time":
        frame["t"] = 5.0
    return frame


CASES = (
    *("one class", "constant", "ties", "a group of one", "many levels", "no labels in a group"),
    *("no scores in a group", "nobody has it", "one time"),
)


def told(entry, path=""):
    """Yield what is wrong with a part of the evidence."""
    if isinstance(entry, dict):
        if {"value", "low", "method"} <= entry.keys():
            low, high = entry["low"], entry["high"]
            if entry["value"] is None and not entry.get("reason"):
                yield f"{path}: no value and no reason"
            if entry["value"] is not None and low is None and not entry.get("reason"):
                yield f"{path}: no interval and no reason"
            if low is not None and not low < high:
                yield f"{path}: an interval without width"
        for name, value in entry.items():
            yield from told(value, f"{path}/{name}")
    elif isinstance(entry, list):
        for at, value in enumerate(entry):
            yield from told(value, f"{path}[{at}]")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", TASKS)
def test_hard_input_is_answered_or_null_with_a_reason(task, case):
    found = audit_predictions(hard(case), patient="pid", groups=["g"], **TASKS[task]).to_dict()
    json.dumps(found, allow_nan=False)
    assert not list(told(found["outputs"]))
