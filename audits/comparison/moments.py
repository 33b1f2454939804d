"""Sums of row features by group, and their second moments by patient.

Every compared metric but the AUROC and the calibration slope is a smooth function of sums of row
features: which of eight cells (label, base's call, candidate's call) a row lies in, its losses,
its risks. Its sampling variance follows from one matrix a group: the sum over patients of the
outer product of the patient's own sums. So the rows are read once, whatever is asked of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Floats, Ints, Layout, Split
from audits.comparison.sums import CELLS, CellSums


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """First and second moments of the features in each group of a split.

    Attributes:
        sums: Sums over rows, (groups, features).
        own: Σ over the group's patients of u uᵀ, u their sums within the group,
            (groups, features, features).
        both: Σ of u wᵀ, w the patient's sums over the whole cohort; ``own`` where no patient
            has rows elsewhere.
        patients: Patients with any row, with a positive and with a negative one, (3, groups).
        net: Each pair's net number of calls gained among positives and negatives, (2, pairs).
    """

    sums: Floats
    own: Floats
    both: Floats
    patients: Floats
    net: Ints


def moments(
    split: Split, cells: npt.NDArray[np.uint8], features: Floats, whole: Floats | None
) -> Moments:
    """Return the moments of cells and further features.

    Args:
        split: The groups.
        cells: (n,) cell of each row.
        features: (k, n) further features.
        whole: (patients, 8 + k) sums of each patient over the cohort; needed where patients are
            shared between groups.
    """
    if split.pair_of_row is None and not split.shared:
        sums = CellSums(split.code * CELLS + cells, CELLS * (split.size + 1))
        return _independent(sums, split.size, features)
    pairs = pair_sums(split, cells, features)
    own = outer(pairs, pairs.T, split.bounds)
    both = own
    if split.shared and whole is not None:
        both = outer(pairs, whole, split.bounds, split.pair_patient)
    positives, negatives = pairs[4:CELLS].sum(axis=0), pairs[:4].sum(axis=0)
    return Moments(
        sums=np.stack([split.over_groups(feature) for feature in pairs], axis=1),
        own=own,
        both=both,
        patients=np.stack(
            [
                np.diff(split.bounds).astype(np.float64),
                split.over_groups(positives > 0),
                split.over_groups(negatives > 0),
            ]
        ),
        net=np.stack([pairs[5] - pairs[6], pairs[1] - pairs[2]]).astype(np.int64),
    )


def joint_sums(layout: Layout, cells: npt.NDArray[np.uint8]) -> CellSums | None:
    """Return what sums independent rows over the cells where all splits cross, or None."""
    if layout.joint is None or layout.clustered:
        return None
    code, size = layout.joint
    return CellSums(code * CELLS + cells, CELLS * size)


def joint_moments(layout: Layout, sums: CellSums | None, features: Floats) -> Moments | None:
    """Return the moments of independent rows in the cells where all splits cross, or None.

    They are the moments of any split after :func:`from_joint`.
    """
    if layout.joint is None or sums is None:
        return None
    return _independent(sums, layout.joint[1], features)


def from_joint(split: Split, found: Moments) -> Moments:
    """Return the moments of a split's groups from those of the cells of the joint."""
    own = split.from_joint(found.own)[:-1]
    return Moments(
        sums=split.from_joint(found.sums)[:-1],
        own=own,
        both=own,
        patients=split.from_joint(found.patients.T)[:-1].T,
        net=np.zeros((2, 0), dtype=np.int64),
    )


def pair_sums(split: Split, cells: npt.NDArray[np.uint8], features: Floats) -> Floats:
    """Return the features of each (group, patient) pair, (8 + k, pairs)."""
    count = len(split.pair_patient)
    pair = np.arange(count, dtype=np.int64) if split.pair_of_row is None else split.pair_of_row
    table = np.bincount(split.ordered(cells) * np.int64(count) + pair, minlength=CELLS * count)
    out = np.empty((CELLS + len(features), count))
    out[:CELLS] = table.reshape(CELLS, count)
    for at, feature in enumerate(features, CELLS):
        out[at] = split.to_pairs(feature)
    return out


def _independent(cells: CellSums, size: int, features: Floats) -> Moments:
    """Return the moments where every row is a patient of its own: cells never meet.

    Args:
        cells: Sums over group × cell; groups from ``size`` on are left out.
        size: Number of groups.
        features: (k, n) further features.
    """
    k = len(features)

    def by_cell(sums: Floats) -> Floats:
        return np.asarray(sums[: CELLS * size].reshape(size, CELLS))

    counts = by_cell(cells.counts)
    own = np.zeros((size, CELLS + k, CELLS + k))
    diagonal = np.arange(CELLS)
    own[:, diagonal, diagonal] = counts
    sums = np.empty((size, CELLS + k))
    sums[:, :CELLS] = counts
    for at, feature in enumerate(features):
        meets = by_cell(cells.sum(feature))
        own[:, :CELLS, CELLS + at] = own[:, CELLS + at, :CELLS] = meets
        sums[:, CELLS + at] = meets.sum(axis=1)
    for at, feature in enumerate(features):
        for other in range(at, k):
            total = by_cell(cells.sum(feature * features[other])).sum(axis=1)
            own[:, CELLS + at, CELLS + other] = own[:, CELLS + other, CELLS + at] = total
    positives, negatives = counts[:, 4:].sum(axis=1), counts[:, :4].sum(axis=1)
    return Moments(
        sums=sums,
        own=own,
        both=own,
        patients=np.stack([positives + negatives, positives, negatives]),
        net=np.zeros((2, 0), dtype=np.int64),
    )


def outer(left: Floats, right: Floats, bounds: Ints, rows: Ints | None = None) -> Floats:
    """Return the product of (k, pairs) and (pairs, l) within each group's stretch of pairs.

    Args:
        left: (k, pairs).
        right: (pairs, l), or what ``rows`` picks them from.
        bounds: First pair of each group, and the number of pairs.
        rows: (pairs,) row of ``right`` of each pair.
    """
    out = np.empty((len(bounds) - 1, left.shape[0], right.shape[1]))
    for group, (start, end) in enumerate(pairwise(bounds.tolist())):
        part = slice(start, end)
        out[group] = left[:, part] @ right[part if rows is None else rows[part]]
    return out
