"""Counting concordant pairs without looking at each pair."""

from __future__ import annotations

import numpy as np

from audits.fairness.types import FloatArray, IntArray


def outranked_later(rank: IntArray, score: FloatArray, weight: FloatArray) -> FloatArray:
    """Return, for each row, the weight of later rows that score lower; ties count half.

    Later means a larger rank. Every pair of ranks differs first at one binary digit, so one sort
    per digit counts all pairs: O(n log² n), exact.

    Args:
        rank: Whole numbers from 0, (n,).
        score: (n,).
        weight: Of each row as the later one, (n,).
    """
    n = len(rank)
    out = np.zeros(n)
    level = np.unique(score, return_inverse=True)[1].reshape(-1).astype(np.int64)
    width = int(level.max(initial=0)) + 1
    by_score = np.argsort(level, kind="stable")
    for digit in range(int(rank.max(initial=0)).bit_length()):
        block = rank[by_score] >> (digit + 1)
        order = by_score[np.argsort(block, kind="stable")]
        late = (rank[order] >> digit & 1).astype(np.bool_)
        added = np.concatenate(([0.0], np.cumsum(np.where(late, weight[order], 0.0))))
        block = rank[order] >> (digit + 1)
        # Rows of one block and one score stand together; so do the rows of one block.
        cell = block * width + level[order]
        first = np.searchsorted(cell, cell, side="left")
        last = np.searchsorted(cell, cell, side="right")
        start = np.searchsorted(block, block, side="left")
        below = (added[first] + added[last]) / 2 - added[start]
        out[order] += np.where(late, 0.0, below)
    return out
