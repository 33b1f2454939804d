"""One simulated audit, through the public function, and what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from audits import audit_predictions
from benchmarks.validity.cohorts import GROUPS

ALL = ("tpr", "fpr", "auroc")


def policy_of(metrics: tuple[str, ...] = ALL) -> dict[str, Any]:
    """Return the policy of the suite: 11 marginal comparisons and 50 intersections a metric."""
    return {
        "audit": {
            "groups": list(GROUPS),
            "intersections": [list(GROUPS)],
            "verdict_metrics": list(metrics),
        }
    }


def audit(
    table: pd.DataFrame,
    *,
    threshold: float,
    metrics: tuple[str, ...] = ALL,
    clustered: bool,
    space: str = "value",
    seed: int = 0,
) -> list[Mapping[str, Any]]:
    """Return the comparisons of one audit."""
    result = audit_predictions(
        table,
        label="y",
        score="score",
        groups=list(GROUPS),
        intersections=[list(GROUPS)],
        patient="patient" if clustered else None,
        threshold=threshold,
        policy=policy_of(metrics),
        seed=seed,
        space=space,
    )
    comparisons: list[Mapping[str, Any]] = result.to_dict()["outputs"][0]["comparisons"]
    return comparisons


def tally(comparisons: list[Mapping[str, Any]]) -> Counter[str]:
    """Count verdicts, strengths, and disparities by metric."""
    out: Counter[str] = Counter()
    for item in comparisons:
        out[item["verdict"]] += 1
        if item["verdict"] == "disparity":
            out[item["strength"]] += 1
            out[f"disparity {item['metric']}"] += 1
    return out
