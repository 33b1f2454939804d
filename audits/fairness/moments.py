"""Second moments of the patients' counts at every threshold, so that clustering never stops live.

As the threshold falls, rows turn positive one by one; each changes its patient's running counts
(tp, fp), and with them any function of the patient, by a known step. Steps summed per score bin
and cumulated from the top give the sum of that function over patients at every threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.types import FloatArray, IntArray

THRESHOLDS = 4_096

_State = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
_Function = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]


def _over(x: FloatArray, m: FloatArray) -> FloatArray:
    return x * x / np.maximum(m, 1)


FUNCTIONS: dict[str, _Function] = {
    "tpr own": lambda tp, _fp, p, _n: _over(tp, p),
    "fpr own": lambda _tp, fp, _p, n: _over(fp, n),
    "ppv own": lambda tp, fp, _p, _n: _over(tp, tp + fp),
    "ppv mm": lambda tp, fp, _p, _n: (tp + fp) ** 2,
    "ppv patients": lambda tp, fp, _p, _n: (tp + fp > 0).astype(np.float64),
    "npv own": lambda tp, fp, p, n: _over(n - fp, p - tp + n - fp),
    "npv mm": lambda tp, fp, p, n: (p - tp + n - fp) ** 2,
    "npv patients": lambda tp, fp, p, n: (p - tp + n - fp > 0).astype(np.float64),
    "accuracy own": lambda tp, fp, p, n: _over(tp + n - fp, p + n),
    "selection_rate own": lambda tp, fp, p, n: _over(tp + fp, p + n),
    "tp tp": lambda tp, _fp, _p, _n: tp * tp,
    "fp fp": lambda _tp, fp, _p, _n: fp * fp,
    "tp fp": lambda tp, fp, _p, _n: tp * fp,
    "tp m": lambda tp, _fp, p, n: tp * (p + n),
    "fp m": lambda _tp, fp, p, n: fp * (p + n),
}
"""Sums over patients that the intervals of a threshold need; arguments tp, fp, P, N."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sums over patients in each group at each of up to 4,096 thresholds.

    Attributes:
        edges: Ranks of the scores that serve as thresholds, ascending; one above all of them.
        at_threshold: Function -> (thresholds, groups), rows with rank >= edge called positive.
        fixed: Sums that do not depend on the threshold, each (groups,).
    """

    edges: IntArray
    at_threshold: dict[str, FloatArray]
    fixed: dict[str, FloatArray]

    def nearest(self, rank: int) -> tuple[int, dict[str, FloatArray]]:
        """Return the threshold nearest to a rank and the sums there, each (groups,)."""
        place = int(np.clip(np.searchsorted(self.edges, rank), 0, len(self.edges) - 1))
        if place > 0 and rank - self.edges[place - 1] < self.edges[place] - rank:
            place -= 1
        sums = {name: table[place] for name, table in self.at_threshold.items()}
        return int(self.edges[place]), sums | self.fixed


def patient_moments(frame: Frame, family: Family) -> Moments:
    """Sum every function over the patients of each group, at each threshold, in one pass."""
    distinct = max(len(frame.distinct), 1)
    count = min(THRESHOLDS, distinct)
    # The last threshold lies above every score: nobody is called positive there.
    edges = np.append(np.unique((np.arange(count) * distinct) // count), distinct)
    descending = frame.order[::-1]
    rows = descending[np.argsort(family.pair_of_row[descending], kind="stable")]
    rows = rows[family.code[rows] < family.size]
    pair, positive = family.pair_of_row[rows], frame.positive[rows].astype(np.float64)
    label = frame.positive.astype(np.float64)
    p, n = family.sum_to_pairs(label), family.sum_to_pairs(1 - label)
    tp, fp = _running(positive, pair), _running(1 - positive, pair)
    after: _State = (tp, fp, p[pair], n[pair])
    before: _State = (tp - positive, fp - (1 - positive), p[pair], n[pair])
    # A row is positive at every edge up to its rank: it enters at the last such edge.
    place = np.searchsorted(edges, frame.rank[rows], side="right") - 1
    key = place * family.size + family.code[rows]
    nothing = np.zeros_like(p)
    tables = {}
    for name, function in FUNCTIONS.items():
        steps = np.bincount(key, function(*after) - function(*before), len(edges) * family.size)
        climbing = np.cumsum(steps.reshape(len(edges), family.size)[::-1], axis=0)[::-1]
        tables[name] = climbing + family.sum_pairs(function(nothing, nothing, p, n))
    return Moments(edges=edges, at_threshold=tables, fixed=_fixed(family, p, n))


def _running(values: FloatArray, pair: IntArray) -> FloatArray:
    """Return inclusive running sums that start anew with each pair; pairs are contiguous."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    base = np.zeros(int(pair.max(initial=-1)) + 1)
    base[pair[first]] = total[first] - values[first]
    return np.asarray(total - base[pair])


def _fixed(family: Family, p: FloatArray, n: FloatArray) -> dict[str, FloatArray]:
    rows = p + n
    return {
        "pos mm": family.sum_pairs(p * p),
        "neg mm": family.sum_pairs(n * n),
        "rows mm": family.sum_pairs(rows * rows),
        "pos patients": family.sum_pairs(p > 0),
        "neg patients": family.sum_pairs(n > 0),
        "patients": family.sum_pairs(rows > 0),
        "prevalence own": family.sum_pairs(_over(p, rows)),
    }
