"""The groups that rows fall into: of one attribute, of a crossing of several, or everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.fairness.frame import Frame
from audits.fairness.types import FloatArray, Grouping, IntArray, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A way to split the rows: one attribute, a crossing of several, or everybody.

    Attributes:
        names: Attributes that define it; empty for everybody.
        labels: One mapping attribute -> level per group.
        tier: marginal or intersection.
        declared: Whether the policy names it.
        code: Group of each usable row, (n,); ``len(labels)`` where the row is in none.
        by_score: Rows in a group, ordered by (group, score).
        pair_of_row: Index of the row's (group, patient) pair, (n,).
        pair_group: Group of each pair, ascending.
        pair_patient: Patient of each pair.
        shared: Whether any patient has rows in two groups.
        starts: First pair of each group that has any.
        occupied: The groups that have any pair.
        cells: Level of each group in each attribute, (groups, attributes).
        patients: Patients with rows in each group, (groups,).
        cohort: Patients with rows in any group.
    """

    names: tuple[str, ...]
    labels: tuple[dict[str, str], ...]
    tier: Tier
    declared: bool
    code: IntArray
    by_score: IntArray
    pair_of_row: IntArray
    pair_group: IntArray
    pair_patient: IntArray
    shared: bool
    starts: IntArray
    occupied: IntArray
    cells: IntArray
    patients: FloatArray
    cohort: int

    @property
    def size(self) -> int:
        """Return the number of groups."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """Return the attribute as the contract writes it: ``sex`` or ``sex×age_band``."""
        return "×".join(self.names)

    def sum_rows(self, values: FloatArray | None = None) -> FloatArray:
        """Return the sum of per-row values, or the count, in each group."""
        sums = np.bincount(self.code, values, self.size + 1)[: self.size]
        return np.asarray(sums, dtype=np.float64)

    def sum_to_pairs(self, values: FloatArray) -> FloatArray:
        """Return the sum of per-row values in each (group, patient) pair."""
        pairs = len(self.pair_group)
        return np.asarray(
            np.bincount(self.pair_of_row, values, pairs + 1)[:pairs], dtype=np.float64
        )

    def sum_pairs(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Return the sum of per-pair values in each group."""
        out = np.zeros(self.size)
        if len(self.starts):
            out[self.occupied] = np.add.reduceat(values, self.starts, dtype=np.float64)
        return out


def everybody(frame: Frame) -> Family:
    """Return the family of one group that holds every row."""
    return family_of_codes(
        frame,
        np.zeros(frame.n, dtype=np.int64),
        names=(),
        labels=({},),
        tier="marginal",
        declared=True,
        cells=np.zeros((1, 0), dtype=np.int64),
    )


def marginal(frame: Frame, attribute: Grouping, *, declared: bool) -> Family:
    """Return the groups of one attribute, empty ones included so that they are reported."""
    codes = np.asarray(attribute.codes, dtype=np.int64)[frame.keep]
    levels = attribute.levels
    return family_of_codes(
        frame,
        np.where((codes < 0) | (codes >= len(levels)), len(levels), codes),
        names=(attribute.name,),
        labels=tuple({attribute.name: level} for level in levels),
        tier="marginal",
        declared=declared,
        cells=np.arange(len(levels), dtype=np.int64)[:, None],
    )


def crossing(frame: Frame, attributes: Sequence[Grouping], *, declared: bool) -> Family:
    """Return the groups of a crossing that occur, in the order of the attributes' levels."""
    joint = np.zeros(frame.n, dtype=np.int64)
    missing = np.zeros(frame.n, dtype=np.bool_)
    for attribute in attributes:
        codes = np.asarray(attribute.codes, dtype=np.int64)[frame.keep]
        missing |= codes < 0
        joint = joint * len(attribute.levels) + codes
    joint[missing] = -1
    code, present = _occurring(joint)
    cells = np.empty((len(present), len(attributes)), dtype=np.int64)
    rest = present.copy()
    for column in range(len(attributes) - 1, -1, -1):
        rest, cells[:, column] = np.divmod(rest, len(attributes[column].levels))
    labels = tuple(
        {item.name: item.levels[level] for item, level in zip(attributes, row, strict=True)}
        for row in cells
    )
    return family_of_codes(
        frame,
        code.astype(np.int64),
        names=tuple(item.name for item in attributes),
        labels=labels,
        tier="intersection",
        declared=declared,
        cells=cells,
    )


def _occurring(joint: IntArray) -> tuple[IntArray, IntArray]:
    """Return the position of each code among those that occur, and these codes; -1 is none."""
    largest = int(joint.max(initial=-1))
    if largest > 4 * len(joint) + 1024:
        present = np.unique(joint[joint >= 0])
        code = np.searchsorted(present, joint)
        return np.where(joint < 0, len(present), code), present
    present = np.flatnonzero(np.bincount(joint[joint >= 0], minlength=largest + 1))
    place = np.full(largest + 2, len(present))
    place[present] = np.arange(len(present))
    return place[joint], present


def family_of_codes(  # noqa: PLR0913 - the one place where a family is put together
    frame: Frame,
    code: IntArray,
    *,
    names: tuple[str, ...],
    labels: tuple[dict[str, str], ...],
    tier: Tier,
    declared: bool,
    cells: IntArray,
) -> Family:
    """Put a family together from the group of each row.

    Args:
        frame: The rows.
        code: Group of each row, (n,); ``len(labels)`` where the row is in none.
        names: Attributes that define the groups.
        labels: One mapping attribute -> level per group.
        tier: marginal or intersection.
        declared: Whether the policy names it.
        cells: Level of each group in each attribute, (groups, attributes).
    """
    size = len(labels)
    # Stable sorts of 16-bit codes are radix sorts: linear in the rows.
    narrow = code.astype(np.int16 if size < np.iinfo(np.int16).max else np.int32)
    inside = code < size
    everyone = bool(inside.all())
    by_score = frame.order
    by_pair = frame.by_patient
    if size > 1 or not everyone:
        by_score = by_score[np.argsort(narrow[by_score], kind="stable")]
        by_pair = by_pair[np.argsort(narrow[by_pair], kind="stable")]
    if not everyone:
        kept = int(inside.sum())
        by_score, by_pair = by_score[:kept], by_pair[:kept]
    group, patient = code[by_pair], frame.patient[by_pair]
    first = np.ones(len(by_pair), dtype=np.bool_)
    if frame.clustered and len(by_pair):
        first[1:] = (group[1:] != group[:-1]) | (patient[1:] != patient[:-1])
    pair_of_row = np.full(frame.n, int(first.sum()), dtype=np.int64)
    pair_of_row[by_pair] = np.cumsum(first) - 1
    pair_group, pair_patient = group[first], patient[first]
    starts = np.flatnonzero(np.diff(pair_group, prepend=-1))
    seen = np.count_nonzero(np.bincount(pair_patient)) if frame.clustered else len(pair_patient)
    return Family(
        names=names,
        labels=labels,
        tier=tier,
        declared=declared,
        code=code,
        by_score=by_score,
        pair_of_row=pair_of_row,
        pair_group=pair_group,
        pair_patient=pair_patient,
        shared=bool(seen < len(pair_patient)),
        starts=starts,
        occupied=pair_group[starts],
        cells=cells,
        patients=np.bincount(pair_group, minlength=size).astype(np.float64),
        cohort=int(seen),
    )
