"""Influence functions of a version's metrics, so that differences keep what pairs them.

A metric's influence on a row says how much that row moves the metric. The difference of two
versions has the difference of their influences, summed within each patient; its variance is the
sum of squares over patients. Pairing, clustering and groups that share patients need nothing else.

References:
    DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845.
    Obuchowski, Biometrics 53 (1997) 567-578 (clustered placements).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RATES = ("tpr", "fpr", "tnr", "fnr", "accuracy", "selection_rate")
"""Proportions whose denominator both versions share, so that discordant pairs decide."""

RATIOS = ("ppv", "npv")
"""Proportions whose denominator depends on the version."""


def placements(y: npt.NDArray[np.int8], score: Floats) -> Floats:
    """Return each row's placement: the share of the other class it is ranked rightly against.

    Args:
        y: (n,) labels 0 or 1, both present.
        score: (n,) higher means more positive; ties count one half.

    Returns:
        (n,) V10 of positives and V01 of negatives; the mean over either class is the AUROC.
    """
    positive = y == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    out = np.empty(len(y))
    ranks = stats.rankdata(score)
    out[positive] = (ranks[positive] - stats.rankdata(score[positive])) / n0
    out[~positive] = 1.0 - (ranks[~positive] - stats.rankdata(score[~positive])) / n1
    return out


def rate_parts(metric: str, y: npt.NDArray[np.int8], decided: Bools) -> tuple[Bools, Bools]:
    """Return the rows in a rate's denominator and those of them in its numerator."""
    positive = y == 1
    everything = np.ones(len(y), dtype=np.bool_)
    parts: dict[str, tuple[Bools, Bools]] = {
        "tpr": (positive, decided),
        "fnr": (positive, ~decided),
        "fpr": (~positive, decided),
        "tnr": (~positive, ~decided),
        "ppv": (decided, positive),
        "npv": (~decided, ~positive),
        "accuracy": (everything, decided == positive),
        "selection_rate": (everything, decided),
    }
    denominator, numerator = parts[metric]
    return denominator, denominator & numerator


def rate_influence(metric: str, y: npt.NDArray[np.int8], decided: Bools) -> tuple[float, Floats]:
    """Return a rate and each row's influence on it; NaN where the denominator is empty."""
    denominator, numerator = rate_parts(metric, y, decided)
    n = int(denominator.sum())
    if n == 0:
        return float("nan"), np.zeros(len(y))
    value = float(numerator.sum()) / n
    return value, np.where(denominator, numerator - value, 0.0) / n


def auroc_influence(y: npt.NDArray[np.int8], score: Floats) -> tuple[float, Floats]:
    """Return the AUROC and each row's influence, scaled so that DeLong's variance comes out.

    The factor sqrt(n / (n - 1)) of each class makes the sum of squares over independent rows
    equal DeLong's S10 / n1 + S01 / n0 with sample variances.
    """
    positive = y == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if n1 == 0 or n0 == 0:
        return float("nan"), np.zeros(len(y))
    place = placements(y, score)
    value = float(place[positive].mean())
    scale = np.where(positive, n1, n0).astype(np.float64)
    unbiased = np.sqrt(scale * np.maximum(scale - 1, 1))
    return value, (place - value) / unbiased


def brier_influence(y: npt.NDArray[np.int8], probability: Floats) -> tuple[float, Floats]:
    """Return the Brier score and each row's influence on it."""
    loss = (probability - y) ** 2
    value = float(loss.mean())
    return value, (loss - value) / len(y)


def net_benefit_influence(
    y: npt.NDArray[np.int8], decided: Bools, threshold: float
) -> tuple[float, Floats]:
    """Return the net benefit at ``threshold`` and each row's influence on it.

    Reference:
        Vickers & Elkin, Medical Decision Making 26 (2006) 565-574.
    """
    odds = threshold / (1 - threshold) if threshold < 1 else float("nan")
    gain = decided * np.where(y == 1, 1.0, -odds)
    value = float(gain.mean())
    return value, (gain - value) / len(y)
