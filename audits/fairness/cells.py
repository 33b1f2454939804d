"""Cells of equal score within a group: the sparse form of group × label × score counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audits.fairness.frame import Frame
from audits.fairness.types import BoolArray, FloatArray, IntArray

_LARGEST_TABLE = 8_000_000
"""Groups times distinct scores up to which cells are looked up in a table, 32 MB of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCells:
    """Counts of positives and negatives per group and distinct score.

    Attributes:
        of_row: Cell of each row of the frame; the number of cells where a row is in no group.
        group: Group of each cell, ascending.
        rank: Rank of each cell's score, ascending within a group.
        pos: Positives in each cell.
        neg: Negatives in each cell.
        pos_below: Positives of the group with a lower score.
        neg_below: Negatives of the group with a lower score.
        positives: Positives of each group.
        negatives: Negatives of each group.
    """

    of_row: IntArray
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

    def key(self, distinct: int) -> IntArray:
        """Return group and rank of each cell as one ascending number."""
        return self.group * max(distinct, 1) + self.rank

    def locate(self, group: IntArray, rank: IntArray, distinct: int) -> IntArray:
        """Return the cell of each row from its group and the rank of its score.

        Args:
            group: Group of each row; ``size`` for none.
            rank: Rank of each row's score among the distinct ones.
            distinct: Number of distinct scores.
        """
        wide, key = max(distinct, 1), self.key(distinct)
        none = len(self.group)
        if self.size * wide > _LARGEST_TABLE:
            return np.where(group < self.size, np.searchsorted(key, group * wide + rank), none)
        # Looked up in a table: a search among millions of cells misses the cache at every step.
        place = np.full((self.size + 1) * wide, none, dtype=np.int32)
        place[key] = np.arange(none, dtype=np.int32)
        return np.asarray(place[group * wide + rank], dtype=np.int64)


PerLabel = tuple[FloatArray, FloatArray]
"""Values of a positive and of a negative of each cell, (cells,) each."""


def look_up(
    cells: ScoreCells, columns: Sequence[PerLabel], positive: BoolArray, of_row: IntArray
) -> list[FloatArray]:
    """Return the values of each row's cell and label, (n,) by statistic.

    Args:
        cells: The cells.
        columns: Of each statistic the values of positives and of negatives.
        positive: Label of each row, (n,).
        of_row: Cell of each row; the number of cells where a row is in no group, which gives 0.
    """
    width = len(cells.group) + 1
    place = of_row + positive * width
    # One line serves all statistics: fresh memory for each would cost more than the look-up.
    line = np.zeros(2 * width)
    out = []
    for for_pos, for_neg in columns:
        line[: width - 1], line[width : 2 * width - 1] = for_neg, for_pos
        out.append(line[place])
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
    of_row = np.full(frame.n, len(start), dtype=np.int64)
    of_row[rows] = np.cumsum(new_cell) - 1
    return ScoreCells(
        of_row=of_row,
        group=cell_group,
        rank=rank[start],
        pos=pos,
        neg=(end - start) - pos,
        pos_below=pos_below,
        neg_below=(start - base_row[cell_group]) - pos_below,
        positives=positives,
        negatives=total - positives,
    )


def cells_of(
    group: IntArray, rank: IntArray, pos: IntArray, neg: IntArray, size: int
) -> ScoreCells:
    """Return cells from counts that are ordered by (group, rank); rows are not placed."""
    positives = np.bincount(group, pos, size).astype(np.int64)
    negatives = np.bincount(group, neg, size).astype(np.int64)
    base_pos, base_neg = np.cumsum(positives) - positives, np.cumsum(negatives) - negatives
    return ScoreCells(
        of_row=np.zeros(0, dtype=np.int64),
        group=group,
        rank=rank,
        pos=pos,
        neg=neg,
        pos_below=np.cumsum(pos) - pos - base_pos[group],
        neg_below=np.cumsum(neg) - neg - base_neg[group],
        positives=positives,
        negatives=negatives,
    )
