"""Weighted AUROC and average precision of any rows, with the influence of each."""

from __future__ import annotations

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import FloatArray, IntArray
from audits.fairness.weighted.mass import kish_size, weights_of


def weighted_auroc(frame: Frame, rows: IntArray) -> Point:
    """Return the weighted chance that a positive outranks a negative; ties count half."""
    weight, score, true = weights_of(frame)[rows], frame.score[rows], frame.positive[rows]
    if not true.any() or true.all():
        return undefined(rows, _one_class(rows, has_positives=bool(true.any())))
    pos, neg = np.where(true, weight, 0.0), np.where(true, 0.0, weight)
    below = _below(score, neg) / neg.sum()
    above = 1 - _below(score, pos) / pos.sum()
    value = float(pos @ below) / float(pos.sum())
    influence = pos * (below - value) / pos.sum() + neg * (above - value) / neg.sum()
    fewest = min(kish_size(weight[true]), kish_size(weight[~true]))
    return Point(value=value, influence=influence, fewest=fewest)


def weighted_average_precision(frame: Frame, rows: IntArray) -> Point:
    """Return the weighted average precision, as scikit-learn defines it."""
    weight, score, true = weights_of(frame)[rows], frame.score[rows], frame.positive[rows]
    if not true.any() or true.all():
        return undefined(rows, _one_class(rows, has_positives=bool(true.any())))
    distinct, level = np.unique(score, return_inverse=True)
    level, size = level.reshape(-1), len(distinct)
    pos = np.bincount(level, np.where(true, weight, 0.0), size)
    neg = np.bincount(level, np.where(true, 0.0, weight), size)
    tp, fp = (np.cumsum(part[::-1])[::-1] for part in (pos, neg))
    called = np.where(tp + fp > 0, tp + fp, 1.0)
    precision, total = tp / called, float(pos.sum())
    value = float(pos @ precision) / total
    gain, loss = np.cumsum(pos * fp / called**2), np.cumsum(pos * tp / called**2)
    moved = np.where(true, (precision - value + gain)[level], -loss[level])
    fewest = min(kish_size(weight[true]), kish_size(weight[~true]))
    return Point(value=value, influence=weight * moved / total, fewest=fewest)


def _one_class(rows: IntArray, *, has_positives: bool) -> str:
    if len(rows) == 0:
        return "no cases"
    return "no negatives" if has_positives else "no positives"


def _below(score: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weight of all rows below each row's score; ties count half."""
    distinct, level = np.unique(score, return_inverse=True)
    level = level.reshape(-1)
    held = np.bincount(level, weight, len(distinct))
    return np.asarray((np.cumsum(held) - held / 2)[level])
