"""What was planted, as measured on the finished models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from .design import (
    HOURS,
    LATE,
    LEAK,
    OUTCOME,
    PLANTED_VITALS,
    SPARSE_FACTOR,
    SPARSE_LANGUAGE,
)

Scores = npt.NDArray[np.float64]


def measure_truth(
    stays: pd.DataFrame, logits: Mapping[str, Scores], thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Return ``planted`` and ``measured``.

    Args:
        stays: The test split, with ``leaks`` and ``decline``.
        logits: Model key to (n,) logits; NaN where a model has no score.
        thresholds: Model key to its threshold on the probability scale.
    """
    positive = stays[OUTCOME].to_numpy() == 1
    calls = {key: 1 / (1 + np.exp(-scores)) >= thresholds[key] for key, scores in logits.items()}
    sparse = (stays["language"] == SPARSE_LANGUAGE).to_numpy()
    women = (stays["sex"] == "F").to_numpy()
    return {
        "planted": [
            {
                "id": "late_trend",
                "kind": "true_signal",
                "models": ["icu-gru@1.0", "icu-transformer@1.0"],
                "variables": list(PLANTED_VITALS),
                "window_hours": [HOURS - LATE, HOURS],
                "mechanism": "A decline shows in lactate and mean arterial pressure in the last "
                "hours and nowhere else.",
            },
            {
                "id": "care_process_leak",
                "kind": "leakage",
                "models": ["icu-notes@1.0"],
                "section": "plan",
                "sentence": LEAK,
                "share_of_positives": float(stays.loc[positive, "leaks"].mean()),
                "share_of_negatives": float(stays.loc[~positive, "leaks"].mean()),
                "mechanism": "The sentence is written after the deterioration was noticed.",
            },
            {
                "id": "sparse_group",
                "kind": "lower_sensitivity",
                "models": ["icu-gru@1.0", "icu-transformer@1.0"],
                "attributes": {"language": SPARSE_LANGUAGE},
                "factor": SPARSE_FACTOR,
                "mechanism": "Measured less often, so that the decline of the last hours is not "
                "in the data the model reads.",
            },
            {"id": "fine", "kind": "no_disparity", "attributes": {"sex": "F"}},
        ],
        "measured": {
            key: {
                "n": int(np.isfinite(scores).sum()),
                "threshold": thresholds[key],
                "auroc": float(roc_auc_score(positive, scores)),
                "tpr_sparse": _rate(calls[key], positive & sparse),
                "tpr_rest": _rate(calls[key], positive & ~sparse),
                "tpr_women": _rate(calls[key], positive & women),
                "tpr_men": _rate(calls[key], positive & ~women),
                "tpr_with_leak": _rate(calls[key], positive & stays["leaks"].to_numpy()),
                "tpr_without_leak": _rate(calls[key], positive & ~stays["leaks"].to_numpy()),
            }
            for key, scores in logits.items()
        },
    }


def _rate(hits: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> dict[str, Any]:
    k, n = int((hits & among).sum()), int(among.sum())
    return {"k": k, "n": n, "value": k / n}
