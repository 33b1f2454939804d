"""Sums over the rows of each cell, in one pass whatever is summed.

A cell is a value of a code. With a cell's rows side by side a sum runs over neighbours, which is
ten times as fast as adding each row to its cell; rows in any other order are added one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Bools, Floats, Layout, Split

CELLS = 8
"""Cells of label × base's call × candidate's call; cell 4 y + 2 base + candidate."""


def cells_of(positive: Bools, base: Bools, candidate: Bools) -> npt.NDArray[np.uint8]:
    """Return each row's cell, 0 to 7."""
    out = positive.astype(np.uint8)
    out <<= 1
    out |= base
    out <<= 1
    out |= candidate
    return out


class CellSums:
    """Sums of values of rows over the cells that the rows lie in.

    Args:
        code: (n,) cell of each row, from 0.
        size: Number of cells.
    """

    def __init__(self, code: npt.NDArray[Any], size: int) -> None:
        self._size = size
        self.counts = np.bincount(code, minlength=size).astype(np.float64)
        self._code: npt.NDArray[Any] | None = code
        if bool((code[1:] >= code[:-1]).all()):
            self._code = None
            self._held = np.flatnonzero(self.counts)
            self._starts = np.concatenate(([0], np.cumsum(self.counts[self._held])))[:-1]
            self._starts = self._starts.astype(np.int64)

    def sum(self, values: Floats) -> Floats:
        """Return the sums of (n,) values, (cells,)."""
        if self._code is not None:
            return np.asarray(np.bincount(self._code, values, self._size), dtype=np.float64)
        out = np.zeros(self._size)
        if len(self._held):
            out[self._held] = np.add.reduceat(values, self._starts)
        return out


class ClassSums:
    """Sums over positives and negatives of every group of a split.

    Args:
        layout: Groups of the rows.
        positive: (n,) labels.
        joint: Sums over the layout's joint cells × :data:`CELLS`, where there are any.
    """

    def __init__(self, layout: Layout, positive: Bools, joint: CellSums | None) -> None:
        self._layout, self._positive, self._joint = layout, positive, joint
        self._of: dict[tuple[str, ...], CellSums] = {}

    def over(self, split: Split, values: Floats | None) -> Floats:
        """Return sums, or with no values the rows, of positives and negatives, (2, groups + 1).

        The last column holds the rows in no group.
        """
        if self._joint is not None:
            sums = self._joint.counts if values is None else self._joint.sum(values)
            by_label = sums.reshape(-1, 2, CELLS // 2).sum(axis=2)
            return split.from_joint(by_label).T[::-1]
        if split.names not in self._of:
            code = split.code * 2 + self._positive
            self._of = {split.names: CellSums(code, 2 * split.size + 2)}
        held = self._of[split.names]
        sums = held.counts if values is None else held.sum(values)
        return sums.reshape(-1, 2).T[::-1]
