"""Changes of groups drawn towards their common change, each by its own uncertainty.

As in the bias audit: empirical Bayes with the between-group variance of Paule and Mandel.
Descriptive; no verdict is reached on a shrunk change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from audits.comparison.paired import Measured
from audits.fairness.heterogeneity import between_variance


def shrunk_changes(
    measured: Sequence[Measured], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield one entry for every judged metric and attribute with at least two groups.

    Args:
        measured: The changes of every split; everybody's is passed over.
        metrics: Judged metrics.
    """
    for one in measured:
        for metric in metrics:
            if one.split.names and metric in one.changes:
                entry = _shrunk(one, metric)
                if entry is not None:
                    yield entry


def _shrunk(measured: Measured, metric: str) -> dict[str, Any] | None:
    used = [
        (label, change.delta.value, change.se)
        for label, change in zip(measured.split.labels, measured.changes[metric], strict=True)
        if change.delta.value is not None and change.se
    ]
    if len(used) < 2:  # noqa: PLR2004 - two groups are needed to differ
        return None
    raw = np.array([value for _, value, _ in used])
    variance = np.array([se for _, _, se in used], dtype=np.float64) ** 2
    tau2 = between_variance(raw, variance)
    between = tau2.value or 0.0
    weight = 1 / (variance + between)
    centre = float((weight * raw).sum() / weight.sum())
    keep = between / (between + variance)
    return {
        "metric": metric,
        "attribute": "×".join(measured.split.names),
        "centre": centre,
        "tau2": tau2.to_dict(),
        "groups": [
            {
                "attributes": dict(label),
                "raw": float(raw[at]),
                "shrunk": float(centre + keep[at] * (raw[at] - centre)),
                "own_weight": float(keep[at]),
            }
            for at, (label, _, _) in enumerate(used)
        ],
    }
