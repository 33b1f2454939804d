"""What the threshold is worth to each group: decision curves, and the regret of sharing one.

Net benefit is TP/n - FP/n · t/(1 - t) (Vickers and Elkin 2006). The regret of a group is what its
own best cut would add at the same exchange odds; it is found on the data it is measured on, so it
is optimistic, and never a reason to set thresholds by group without a check on other patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.means import Linear, linear_estimates
from audits.fairness.types import BoolArray, FloatArray, IntArray

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
REGRET_NOTE = "The group's best cut was chosen on the same cases: the regret is optimistic."


def decision_curves(
    frame: Frame, family: Family, cells: ScoreCells, deff: FloatArray
) -> list[dict[str, Any]]:
    """Return the decision curve of every group with cases.

    Args:
        frame: The rows.
        family: The groups.
        cells: Their counts by score.
        deff: Design effect of the net benefit at the declared threshold, (groups,); it serves
            the whole curve.
    """
    n = (cells.positives + cells.negatives).astype(np.float64)
    width = max(len(frame.distinct), 1)
    key = cells.key(width)
    curves: dict[str, list[FloatArray]] = {"net_benefit": [], "low": [], "high": [], "all": []}
    quantile = stdtrit(np.maximum(family.patients - 1, 1), 0.975)
    for threshold in THRESHOLDS:
        odds = threshold / (1 - threshold)
        tp, fp = _called(cells, key, width, int(np.searchsorted(frame.distinct, threshold)))
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (tp - odds * fp) / n
            variance = (tp + odds**2 * fp) / n - value**2
            half = quantile * np.sqrt(np.maximum(variance, 0) * deff / n)
            curves["all"].append((cells.positives - odds * cells.negatives) / n)
        curves["net_benefit"].append(value)
        curves["low"].append(np.maximum(value - half, -odds))
        curves["high"].append(np.minimum(value + half, 1.0))
    stacked = {name: np.stack(values, axis=1) for name, values in curves.items()}
    return [
        {
            "attributes": dict(label),
            "n": int(n[index]),
            "thresholds": list(THRESHOLDS),
            "net_benefit": stacked["net_benefit"][index].tolist(),
            "low": stacked["low"][index].tolist(),
            "high": stacked["high"][index].tolist(),
            "treat_all": stacked["all"][index].tolist(),
            "method": "influence function, design effect of the declared threshold",
        }
        for index, label in enumerate(family.labels)
        if n[index] > 0
    ]


def _called(
    cells: ScoreCells, key: IntArray, width: int, rank: int
) -> tuple[FloatArray, FloatArray]:
    """Return true and false positives of each group among scores of at least a rank."""
    groups = np.arange(cells.size)
    place = np.searchsorted(key, groups * width + rank)
    safe = np.minimum(place, max(len(key) - 1, 0))
    inside = (place < len(key)) & (cells.group[safe] == groups)
    return (
        np.where(inside, cells.positives - cells.pos_below[safe], 0).astype(np.float64),
        np.where(inside, cells.negatives - cells.neg_below[safe], 0).astype(np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCuts:
    """The cut that would serve each group best at the exchange odds of the shared threshold.

    Attributes:
        threshold: The score, infinite where to call nobody is best, (groups,).
        rank: Its rank among the distinct scores.
        odds: t/(1 - t) of the shared threshold.
    """

    threshold: FloatArray
    rank: IntArray
    odds: float

    def gain(self, frame: Frame, family: Family, predicted: BoolArray) -> FloatArray:
        """Return what each row adds to the net benefit by the group's own cut."""
        rank = np.append(self.rank, np.iinfo(np.int64).max)
        own = frame.rank >= rank[family.code]
        worth = np.where(frame.positive, 1.0, -self.odds)
        return np.asarray(worth * (own.astype(np.float64) - predicted))


def own_cuts(cells: ScoreCells, distinct: FloatArray, threshold: float) -> OwnCuts:
    """Return each group's best cut on these very cases."""
    odds = threshold / (1 - threshold)
    gain = (cells.positives[cells.group] - cells.pos_below).astype(np.float64)
    gain -= odds * (cells.negatives[cells.group] - cells.neg_below)
    best = np.full(cells.size, np.inf)
    rank = np.full(cells.size, np.iinfo(np.int64).max)
    top = np.zeros(cells.size)
    np.maximum.at(top, cells.group, gain)
    hit = np.flatnonzero((gain == top[cells.group]) & (top[cells.group] > 0))
    best[cells.group[hit]] = distinct[cells.rank[hit]]
    rank[cells.group[hit]] = cells.rank[hit]
    return OwnCuts(threshold=best, rank=rank, odds=odds)


def shared_threshold_regret(
    frame: Frame, family: Family, cuts: OwnCuts, measured: Linear
) -> list[dict[str, Any]]:
    """Return each group's own best cut and what it would add to the net benefit there.

    Args:
        frame: The rows, for the method's name.
        family: The groups.
        cuts: Their own cuts.
        measured: Mean gain of each group with its error.
    """
    estimates = linear_estimates(frame, measured, undefined=lambda _: "no cases")
    best = cuts.threshold
    return [
        {
            "attributes": dict(label),
            "own_threshold": float(best[index]) if np.isfinite(best[index]) else None,
            "regret": estimates[index].to_dict(),
            "note": REGRET_NOTE,
        }
        for index, label in enumerate(family.labels)
    ]
