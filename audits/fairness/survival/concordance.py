"""Uno's C: how often the higher risk has the earlier event, corrected for censoring."""

from __future__ import annotations

import numpy as np

from audits.fairness.statistics.point import Point, undefined
from audits.fairness.survival.censoring import censoring_curve
from audits.fairness.survival.pairs import ranked_pairs
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.fairness.weighted.mass import kish_size


def uno_c(
    time: FloatArray,
    event: BoolArray,
    score: FloatArray | IntArray,
    rows: IntArray,
    *,
    until: float | None,
    weight: FloatArray | None = None,
) -> Point:
    """Return Uno's C (Uno et al., Stat Med 2011) of some rows, and the influence of each.

    A pair counts where the earlier time is an event before ``until``; it weighs 1/G², G the
    Kaplan-Meier probability, within these rows, of not being censored before that time. Equal
    scores count half. The influence includes that of the censoring curve.

    Args:
        time: Follow-up, (rows,).
        event: Whether it ended with the event, (rows,).
        score: Higher means earlier; scores, or their ranks as whole numbers, (rows,).
        rows: The rows, for the shape of an undefined point.
        until: Events from this time on are not counted; None counts all.
        weight: Of each row, (rows,); 1 where it is not given.
    """
    counted = event if until is None else event & (time < until)
    events = int(counted.sum())
    if events == 0:
        return undefined(rows, "no events" if not event.any() else "no events before the horizon")
    mass = np.ones(len(time)) if weight is None else weight
    curve = censoring_curve(time, event, mass)
    free = curve.before(time)
    earlier = np.where(counted, mass / np.where(counted, free, 1.0) ** 2, 0.0)
    # At one time events come first: a case censored then outlived them.
    order = np.lexsort((~event, time))
    new = np.ones(len(time), dtype=np.bool_)
    new[1:] = (np.diff(time[order]) > 0) | (event[order][1:] != event[order][:-1])
    rank = np.empty(len(time), dtype=np.int64)
    rank[order] = np.cumsum(new) - 1
    top = int(rank.max())
    outranks, as_later = ranked_pairs(rank, score, earlier, mass)
    right = earlier * outranks
    pairs = earlier * _later(rank, mass, top)
    pairs_as_later = mass * _later(top - rank, earlier, top)
    total = float(pairs.sum())
    if total == 0:
        return undefined(rows, "no pair of cases can be ordered by their times")
    value = float(right.sum()) / total
    excess = right - value * pairs
    influence = excess + mass * as_later - value * pairs_as_later
    influence += mass * curve.influence_of_weights(2 * excess, time)
    return Point(value=value, influence=influence / total, fewest=kish_size(mass[counted]))


def _later(rank: IntArray, weight: FloatArray, top: int) -> FloatArray:
    """Return the weight of rows of larger rank."""
    held = np.bincount(rank, weight, top + 1)
    return np.asarray((held.sum() - np.cumsum(held))[rank])
