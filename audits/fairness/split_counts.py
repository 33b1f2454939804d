"""Ways to split rows that were counted: one attribute, a crossing, everybody; no row is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.fairness.cells import ScoreCells, cells_of
from audits.fairness.counts import Counts
from audits.fairness.families import Family, family_of_codes
from audits.fairness.frame import Frame
from audits.fairness.types import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCounts:
    """A way to split the rows, before any row is looked at.

    Attributes:
        names: Attributes that define it.
        labels: One mapping attribute -> level per group.
        cells: Level of each group in each attribute, (groups, attributes).
        code_of: Group of each combination of levels, in mixed radix over ``sizes``.
        sizes: Levels of each attribute.
        declared: Whether the policy names it.
    """

    names: tuple[str, ...]
    labels: tuple[dict[str, str], ...]
    cells: IntArray
    code_of: IntArray
    sizes: tuple[int, ...]
    declared: bool

    def codes(self, n: int, levels: Sequence[npt.NDArray[np.integer[Any]]]) -> IntArray:
        """Return the group of each row from its level in each attribute, (n,)."""
        joint = np.zeros(n, dtype=np.int64)
        for codes, size in zip(levels, self.sizes, strict=True):
            joint = joint * size + codes
        return np.asarray(self.code_of[joint])

    def family(self, frame: Frame, code: IntArray) -> Family:
        """Return the family of some rows."""
        return family_of_codes(
            frame,
            code,
            names=self.names,
            labels=self.labels,
            tier="intersection" if len(self.names) > 1 else "marginal",
            declared=self.declared,
            cells=self.cells,
        )

    def cells_of(self, counts: Counts) -> ScoreCells:
        """Return counts of every group by score."""
        group = self.code_of[counts.joint(self.names)]
        width = max(len(counts.scores), 1)
        key = group * width + counts.place
        order = np.argsort(key, kind="stable")
        key = key[order]
        start = np.flatnonzero(np.diff(key, prepend=-1))
        pos, neg = counts.pos[order], counts.neg[order]
        if len(start):
            pos, neg = np.add.reduceat(pos, start), np.add.reduceat(neg, start)
        group, rank = np.divmod(key[start], width)
        return cells_of(group, rank, pos, neg, len(self.labels))


def everybody_counted() -> SplitCounts:
    """Return the split of one group that holds every row."""
    return SplitCounts(
        names=(),
        labels=({},),
        cells=np.zeros((1, 0), dtype=np.int64),
        code_of=np.zeros(1, dtype=np.int64),
        sizes=(),
        declared=True,
    )


def split_counts(counts: Counts, names: Sequence[str], *, declared: bool) -> SplitCounts:
    """Return the groups: every level of one attribute, or the combinations that occur."""
    levels = dict(zip(counts.names, counts.levels, strict=True))
    sizes = tuple(len(levels[name]) for name in names)
    width = int(np.prod(sizes, dtype=np.int64))
    present = np.arange(width)
    if len(names) > 1:
        present = np.flatnonzero(np.bincount(counts.joint(names), minlength=width))
    code_of = np.full(width, len(present), dtype=np.int64)
    code_of[present] = np.arange(len(present))
    cells = np.stack(np.unravel_index(present, sizes), axis=1).astype(np.int64)
    labels = tuple(
        {name: levels[name][level] for name, level in zip(names, row, strict=True)}
        for row in cells.tolist()
    )
    return SplitCounts(
        names=tuple(names),
        labels=labels,
        cells=cells,
        code_of=code_of,
        sizes=sizes,
        declared=declared,
    )
