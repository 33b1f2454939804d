"""Observed rates by predicted risk of the audited cases: the data of a reliability curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from audits.fairness.risk_bins import risk_bins
from audits.fairness.types import ScoredOutput

BINS = 10
"""Bins of equal size at the most."""

_NOTE = (
    "Bins hold equally many cases, at least fifty patients each; intervals are Wilson's on the "
    "effective count of cases."
)


def reliability_section(output: ScoredOutput) -> dict[str, Any] | None:
    """Return ``bins`` (``low``, ``high``, ``predicted``, ``observed``) and a ``note``.

    None where scores are no probabilities, where rows are weighted, or where a class is missing.
    Counts by score bin do not enter a restricted release.

    Args:
        output: One output; labels 0 or 1, -1 missing, scores in [0, 1], shapes (n,).
    """
    known = (np.asarray(output.y) >= 0) & np.isfinite(output.score)
    risk, label = output.score[known], np.asarray(output.y)[known].astype(np.int64)
    probable = output.space in ("probability", "logit") and len(risk) > 0
    if not probable or output.weights is not None or output.details is not None:
        return None
    if risk.min() < 0 or risk.max() > 1 or not 0 < label.sum() < len(label):
        return None
    who = None if output.patients is None else np.asarray(output.patients)[known]
    bins = risk_bins(risk, label, who, most=BINS)
    if not bins:
        return None
    return {
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "predicted": one.predicted,
                "observed": one.observed.to_dict(),
            }
            for one in bins
        ],
        "note": _NOTE,
    }
