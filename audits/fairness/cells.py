"""Cells of equal score within a group: the sparse form of group × label × score counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCells:
    """Counts of positives and negatives per group and distinct score.

    Attributes:
        rows: Rows ordered by (group, score).
        cell_of: Cell of each of ``rows``.
        group: Group of each cell, ascending.
        rank: Rank of each cell's score, ascending within a group.
        pos: Positives in each cell.
        neg: Negatives in each cell.
        pos_below: Positives of the group with a lower score.
        neg_below: Negatives of the group with a lower score.
        positives: Positives of each group.
        negatives: Negatives of each group.
    """

    rows: IntArray
    cell_of: IntArray
    group: IntArray
    rank: IntArray
    pos: IntArray
    neg: IntArray
    pos_below: IntArray
    neg_below: IntArray
    positives: IntArray
    negatives: IntArray

    @property
    def size(self) -> int:
        """Return the number of groups."""
        return len(self.positives)

    def sum_cells(self, values: FloatArray) -> FloatArray:
        """Return the sum of per-cell values in each group."""
        return np.asarray(np.bincount(self.group, values, self.size), dtype=np.float64)

    def to_rows(self, values: FloatArray, n: int) -> FloatArray:
        """Return a per-cell value for each row; 0 for rows in no group."""
        out = np.zeros(n)
        out[self.rows] = values[self.cell_of]
        return out


def score_cells(frame: Frame, rows: IntArray, code: IntArray, size: int) -> ScoreCells:
    """Count the labels of every group at every distinct score, in one pass.

    Args:
        frame: The rows.
        rows: Rows to use, ordered by (group, score).
        code: Group of each row of the frame.
        size: Number of groups.
    """
    count = len(rows)
    group, rank, positive = code[rows], frame.rank[rows], frame.positive[rows]
    new_group = np.ones(count, dtype=np.bool_)
    new_group[1:] = group[1:] != group[:-1]
    new_cell = new_group.copy()
    new_cell[1:] |= rank[1:] != rank[:-1]
    start, first_row = np.flatnonzero(new_cell), np.flatnonzero(new_group)
    before = np.concatenate(([0], np.cumsum(positive)))
    end = np.append(start[1:], count) if count else start
    cell_group, occupied = group[start], group[first_row]
    last_row = np.append(first_row[1:], count) if count else first_row
    base_pos, base_row = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    base_pos[occupied], base_row[occupied] = before[first_row], first_row
    positives, total = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    positives[occupied] = before[last_row] - before[first_row]
    total[occupied] = last_row - first_row
    pos = before[end] - before[start]
    pos_below = before[start] - base_pos[cell_group]
    return ScoreCells(
        rows=rows,
        cell_of=np.cumsum(new_cell) - 1,
        group=cell_group,
        rank=rank[start],
        pos=pos,
        neg=(end - start) - pos,
        pos_below=pos_below,
        neg_below=(start - base_row[cell_group]) - pos_below,
        positives=positives,
        negatives=total - positives,
    )
