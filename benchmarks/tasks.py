"""Survival and weighted audits: cost beside the binary one, coverage, and false alarms.

    python -m benchmarks.tasks

CPU seconds of one thread. Coverage is that of 95 % intervals over simulated cohorts; false alarms
are comparisons of two groups that do not differ with p <= .05.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from audits import audit_predictions

ROWS = 100_000
RUNS = 300
HORIZON = 8.0
TRUTH_ROWS = 200_000
SURVIVAL = {"task": "survival", "time": "time", "event": "event", "score": "risk"}
SIZES = ((200, 1), (600, 1), (800, 4))


def followed(rng: np.random.Generator, rows: int, repeats: int) -> pd.DataFrame:
    """Return patients followed until an event or censoring; risks are right, ranks are noisy."""
    patient = np.repeat(np.arange(rows // repeats), repeats)
    linear = rng.normal(size=rows // repeats)[patient]
    blurred = linear + 0.3 * rng.normal(size=rows // repeats)[patient]
    event = rng.exponential(np.exp(-linear) * 10)
    left = rng.exponential(14, size=rows)
    return pd.DataFrame(
        {
            "pid": patient,
            "sex": np.where(patient % 2, "F", "M"),
            "age": rng.integers(20, 90, rows // repeats)[patient],
            "race": rng.choice(list("ABCDE"), rows // repeats)[patient],
            "time": np.minimum(event, left),
            "event": (event <= left).astype(int),
            "risk": 1 - np.exp(-HORIZON / (np.exp(-blurred) * 10)),
        }
    )


def sampled(rng: np.random.Generator, rows: int, repeats: int) -> pd.DataFrame:
    """Return a sample that took patients of high risk three times as often, with its weights."""
    patient = np.repeat(np.arange(rows // repeats), repeats)
    linear = rng.normal(size=rows // repeats)[patient]
    share = np.where(linear > 0, 0.9, 0.3)
    frame = pd.DataFrame(
        {
            "pid": patient,
            "sex": np.where(patient % 2, "F", "M"),
            "y": (rng.random(rows) < 1 / (1 + np.exp(-linear))).astype(int),
            "p": 1 / (1 + np.exp(-linear - 0.5 * rng.normal(size=rows))),
            "w": 1 / share,
        }
    )
    return frame[rng.random(rows) < share]


def audited(frame: pd.DataFrame, **asked: Any) -> dict[str, Any]:
    """Return the only output of an audit by sex."""
    found = audit_predictions(frame, patient="pid", **({"groups": ["sex"]} | asked))
    output: dict[str, Any] = found.to_dict()["outputs"][0]
    return output


KINDS: Mapping[str, tuple[Callable[..., pd.DataFrame], dict[str, Any], tuple[str, ...]]] = {
    "survival": (
        followed,
        {**SURVIVAL, "horizon": HORIZON},
        ("c_uno", "auc_t", "brier_t", "oe_t"),
    ),
    "weighted": (
        sampled,
        {"label": "y", "score": "p", "weight": "w", "threshold": 0.5},
        ("tpr", "fpr", "ppv", "auroc", "brier", "oe_ratio", "calibration_slope"),
    ),
}


def simulated(kind: str, runs: int) -> Iterator[str]:
    """Yield coverage and false alarms of one kind of audit at each size."""
    draw, asked, metrics = KINDS[kind]
    whole = audited(draw(np.random.default_rng(1), TRUTH_ROWS, 1), groups=[], **asked)
    truth = {metric: whole["overall"]["metrics"][metric]["value"] for metric in metrics}
    for rows, repeats in SIZES:
        rng = np.random.default_rng([rows, repeats])
        inside: dict[str, list[bool]] = {metric: [] for metric in metrics}
        alarms: dict[str, list[bool]] = {}
        for _ in range(runs):
            output = audited(draw(rng, rows, repeats), **asked)
            for metric in metrics:
                found = output["overall"]["metrics"][metric]
                if found["low"] is not None:
                    inside[metric].append(found["low"] <= truth[metric] <= found["high"])
            for one in output["comparisons"]:
                if one["p"] is not None:
                    alarms.setdefault(one["metric"], []).append(one["p"] <= 0.05)
        covered = ", ".join(f"{m} {np.mean(hits):.3f}" for m, hits in inside.items())
        raised = ", ".join(f"{m} {np.mean(hits):.3f}" for m, hits in alarms.items())
        yield f"{kind}, {rows} rows, {repeats} a patient: covered {covered}; alarms {raised}"


def cost() -> Iterator[str]:
    """Yield the CPU seconds of a binary, a weighted and a survival audit of the same rows."""
    rng = np.random.default_rng(0)
    frame = followed(rng, ROWS, 1).assign(w=rng.gamma(2, 1, ROWS))
    groups = {"groups": ["sex", "age:40,60", "race"], "intersections": [["sex", "race"]]}
    binary = {"label": "event", "score": "risk", "threshold": 0.5}
    for name, asked in (
        ("binary", binary),
        ("weighted", {**binary, "weight": "w"}),
        ("survival", {**SURVIVAL, "horizon": HORIZON}),
    ):
        started = time.process_time()
        audited(frame, **groups, **asked)
        yield f"{name}: {time.process_time() - started:.1f} CPU seconds for {ROWS:,} rows"


def main() -> None:
    """Measure everything and print it."""
    for line in cost():
        print(line)
    for kind in KINDS:
        for line in simulated(kind, RUNS):
            print(line, flush=True)


if __name__ == "__main__":
    main()
