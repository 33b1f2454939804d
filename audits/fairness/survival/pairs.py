"""Counting concordant pairs without looking at each pair."""

from __future__ import annotations

import numpy as np

from audits.fairness.types import FloatArray, IntArray


def levels_of(score: FloatArray | IntArray) -> IntArray:
    """Return the rank of each score among the distinct ones; whole numbers are such ranks."""
    if score.dtype.kind in "iu":
        return score.astype(np.int64, copy=False)
    return np.unique(score, return_inverse=True)[1].reshape(-1).astype(np.int64)


def ranked_pairs(
    rank: IntArray,
    score: FloatArray | IntArray,
    weight: FloatArray,
    later: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return what each row outranks later and what outranks it earlier; ties count half.

    The first is the weight of later rows that score lower, the second the weight of earlier rows
    that score higher; later means a larger rank. Any two places in the order of ranks differ first
    at one binary digit. So for every digit, from the highest, rows stand in blocks of equal higher
    digits, by score within a block, and running sums over a block count all of its pairs; one
    stable partition of each block leads to the next digit. O(n log n), exact.

    Args:
        rank: Whole numbers from 0, (n,).
        score: Scores, or their ranks as whole numbers, (n,).
        weight: Of each row as the earlier one, (n,).
        later: Of each row as the later one, (n,); 1 where it is not given.
    """
    n, level = len(rank), levels_of(score)
    width = int(level.max(initial=0)) + 1
    # Equal ranks stand by ascending score: none of them outranks a later one.
    cell = rank * width + level
    order = np.argsort(cell, kind="stable")
    level, weight, cell = level[order], weight[order], cell[order]
    mass = np.ones(n) if later is None else later[order]
    tied = len(np.unique(level)) < n
    outranks, outranked = np.zeros(n), np.zeros(n)
    place = np.arange(n)
    by_level = np.argsort(level, kind="stable")
    for digit in range(max(n - 1, 0).bit_length() - 1, -1, -1):
        late = (by_level >> digit & 1).astype(np.bool_)
        first = place >> (digit + 1) << (digit + 1)
        last = np.minimum(first + (2 << digit), n)
        places = np.concatenate(([0], np.cumsum(late)))
        late_sums = np.concatenate(([0.0], np.cumsum(np.where(late, mass[by_level], 0.0))))
        early_sums = np.concatenate(([0.0], np.cumsum(np.where(late, 0.0, weight[by_level]))))
        before = places[:-1] - places[first]
        if tied:
            start, end = _runs(level[by_level], first)
            below = (late_sums[start] + late_sums[end]) / 2 - late_sums[first]
            above = early_sums[last] - (early_sums[start] + early_sums[end]) / 2
        else:
            below, above = late_sums[:-1] - late_sums[first], early_sums[last] - early_sums[:-1]
        outranks[by_level] += np.where(late, 0.0, below)
        outranked[by_level] += np.where(late, above, 0.0)
        to = np.where(late, first + (1 << digit) + before, place - before)
        following = np.empty(n, dtype=np.int64)
        following[to] = by_level
        by_level = following
    if tied:
        _leave_out_equals(cell, (weight, mass), outranks, outranked)
    found = np.empty((2, n))
    found[:, order] = outranks, outranked
    return found[0], found[1]


def _runs(level: IntArray, block: IntArray) -> tuple[IntArray, IntArray]:
    """Return where the run of equal level and block that holds each place starts and ends."""
    new = np.ones(len(level), dtype=np.bool_)
    new[1:] = (level[1:] != level[:-1]) | (block[1:] != block[:-1])
    starts = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    return starts[run], np.append(starts[1:], len(level))[run]


def _leave_out_equals(
    cell: IntArray,
    weights: tuple[FloatArray, FloatArray],
    outranks: FloatArray,
    outranked: FloatArray,
) -> None:
    """Take out pairs of equal rank and equal score, each of which was counted half."""
    start, end = _runs(cell, np.zeros(len(cell), dtype=np.int64))
    place = np.arange(len(cell))
    early_sums, late = (np.concatenate(([0.0], np.cumsum(weight))) for weight in weights)
    outranks -= (late[end] - late[place + 1]) / 2
    outranked -= (early_sums[place] - early_sums[start]) / 2
