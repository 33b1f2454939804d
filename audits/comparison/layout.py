"""The groups and patients of a comparison, put in order once and shared by all outputs and metrics.

Everything that pairs two versions is a sum over the rows of a (group, patient) pair. With the rows
ordered by group and patient such sums are taken over neighbours, for every metric alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.fairness.types import Grouping

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One way to split the rows: everybody, one attribute or a crossing.

    Attributes:
        names: Attributes that define it; empty for everybody.
        labels: Attribute to level of each group; only groups that hold a row, (groups,).
        code: Group of each row, (n,); ``len(labels)`` where the row is in none.
        narrow: The same in 16 bits where it fits, which sorts in linear time.
        rows: Rows in a group, ordered by (group, patient), (m,).
        row_bounds: First place of each group in ``rows``, and m, (groups + 1,).
        pair_of_row: (Group, patient) pair of each of ``rows``, ascending, (m,); None where every
            pair has one row.
        pair_patient: Patient of each pair, (pairs,).
        bounds: First pair of each group, and the number of pairs, (groups + 1,).
        shared: Whether any patient has rows in two groups, or in a group and in none.
        reference: Group that the others' changes are set against; None for everybody else.
        of_joint: Group of each cell of the layout's ``joint``, (cells,); None without it.
    """

    names: tuple[str, ...]
    labels: tuple[dict[str, str], ...]
    code: Ints
    narrow: npt.NDArray[Any]
    rows: Ints
    row_bounds: Ints
    pair_of_row: Ints | None
    pair_patient: Ints
    bounds: Ints
    shared: bool
    reference: int | None = None
    of_joint: Ints | None = None

    @property
    def size(self) -> int:
        """Return the number of groups."""
        return len(self.labels)

    @property
    def in_order(self) -> bool:
        """Return whether all rows lie in groups, ordered as in ``rows``."""
        return len(self.rows) == len(self.code) and bool((self.rows[1:] > self.rows[:-1]).all())

    def ordered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return per-row values (n,) in the order of ``rows``, (m,)."""
        return values if self.in_order else values[self.rows]

    @property
    def counts(self) -> Floats:
        """Return the rows of each group, (groups,)."""
        return np.diff(self.row_bounds).astype(np.float64)

    def to_pairs(self, values: npt.NDArray[Any]) -> Floats:
        """Return the sum of per-row values (n,) over each (group, patient) pair, (pairs,)."""
        return self.over_pairs(self.ordered(values))

    def over_pairs(self, values: npt.NDArray[Any]) -> Floats:
        """Return the sum of values in the order of ``rows``, (m,), over each pair, (pairs,)."""
        if self.pair_of_row is None:
            return np.asarray(values, dtype=np.float64)
        sums = np.bincount(self.pair_of_row, values, len(self.pair_patient))
        return np.asarray(sums, dtype=np.float64)

    def from_joint(self, cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return sums over groups, and over rows in none, of sums over the joint's cells.

        Args:
            cells: Sums of each cell of the joint, (cells, …); left as they are.

        Returns:
            (groups + 1, …).
        """
        assert self.of_joint is not None  # noqa: S101 - asked for where there is a joint
        if np.array_equal(self.of_joint, np.arange(self.size + 1)):
            return cells
        out = np.zeros((self.size + 1, *cells.shape[1:]), dtype=cells.dtype)
        for cell, group in enumerate(self.of_joint.tolist()):
            out[group] += cells[cell]
        return out

    def over_groups(self, pairs: npt.NDArray[Any]) -> Floats:
        """Return the sum of per-pair values over each group, (groups,)."""
        if not self.size:
            return np.zeros(0)
        return np.asarray(np.add.reduceat(pairs, self.bounds[:-1], dtype=np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Every split of a comparison, everybody first, and who the rows belong to.

    Attributes:
        n: Rows.
        patients: Number of patients; n where none is declared.
        named: Whether a patient column was declared.
        clustered: Whether any patient has more than one row.
        splits: Everybody, then the declared attributes, then the declared crossings.
        joint: Cell of each row in the crossing of all attributes, and the number of cells, the last
            of them empty: what is a sum over rows is summed over these cells once, and over groups
            from there. None where cells are many.
    """

    n: int
    patients: int
    named: bool
    clustered: bool
    splits: tuple[Split, ...]
    joint: tuple[Ints, int] | None = None

    @property
    def everybody(self) -> Split:
        """Return the split of one group that holds every row."""
        return self.splits[0]


class LastRows:
    """Tells whether rows and groups are those it was asked about last.

    Outputs of one study have the same rows and groups: what is made of these is made once.
    """

    def __init__(self) -> None:
        self._names: list[Any] = []
        self._columns: list[npt.NDArray[Any]] = []

    def again(
        self, n: int, patients: npt.NDArray[Any] | None, attributes: Sequence[Grouping]
    ) -> bool:
        """Return whether they are, and keep them.

        Args:
            n: Number of rows.
            patients: (n,) patient codes, or None where rows are independent.
            attributes: Attributes with (n,) level codes.
        """
        names = [n, patients is None, *((one.name, tuple(one.levels)) for one in attributes)]
        columns = [np.asarray(one.codes) for one in attributes]
        columns += [] if patients is None else [np.asarray(patients)]
        alike = names == self._names and all(
            new is old or np.array_equal(new, old)
            for new, old in zip(columns, self._columns, strict=True)
        )
        self._names, self._columns = names, columns
        return alike


class LayoutMaker:
    """Makes layouts, and hands out the last one again where rows and groups are the same.

    Args:
        groups: Declared attributes.
        intersections: Declared crossings.
        reference: Attribute to the level that its other levels are set against; those left out,
            and ``rest``, to everybody else.
    """

    def __init__(
        self,
        groups: Sequence[str],
        intersections: Sequence[Sequence[str]],
        reference: Mapping[str, str] | None = None,
    ) -> None:
        self._reference = dict(reference or {})
        self._wanted = [(), *((name,) for name in groups), *map(tuple, intersections)]
        self._rows = LastRows()
        self._last: Layout | None = None

    def layout(
        self, n: int, patients: npt.NDArray[Any] | None, attributes: Sequence[Grouping]
    ) -> Layout:
        """Return the layout of n rows.

        Args:
            n: Number of rows.
            patients: (n,) patient codes, or None where rows are independent.
            attributes: Attributes with (n,) level codes; a negative code is in no group.
        """
        asked = {name for names in self._wanted for name in names}
        used = [one for one in attributes if one.name in asked]
        if not self._rows.again(n, patients, used) or self._last is None:
            self._last = _make(n, patients, used, self._wanted, self._reference)
        return self._last


def _make(
    n: int,
    patients: npt.NDArray[Any] | None,
    attributes: Sequence[Grouping],
    wanted: Sequence[tuple[str, ...]],
    reference: Mapping[str, str],
) -> Layout:
    count, patient = n, np.arange(n, dtype=np.int64)
    if patients is not None and n:
        patient, count = compact_codes(np.asarray(patients))
    clustered = count < n
    by_patient = np.argsort(patient, kind="stable") if clustered else np.arange(n, dtype=np.int64)
    by_name = {one.name: one for one in attributes}
    splits = [
        _split(names, [by_name[name] for name in names], patient, by_patient, clustered)
        for names in wanted
        if all(name in by_name for name in names)
    ]
    splits = [replace(one, reference=_reference(one, reference)) for one in splits]
    joint = _joint([one.code for one in splits], n)
    if joint is not None:
        first = joint[1]
        splits = [replace(one, of_joint=np.append(one.code[first], one.size)) for one in splits]
    return Layout(
        n=n,
        patients=count,
        named=patients is not None,
        clustered=clustered,
        splits=tuple(splits),
        joint=None if joint is None else (joint[0], len(joint[1]) + 1),
    )


_MOST_CELLS = 256
"""Past this many cells a table over all of them costs more than one over each split."""


def _joint(codes: Sequence[Ints], n: int) -> tuple[Ints, Ints] | None:
    """Return the cell of each row where all splits cross, and a row of each cell."""
    joint = np.zeros(n, dtype=np.int64)
    for code in codes[1:]:
        size = int(code.max(initial=0)) + 1
        joint = joint * size + code
        # Splits repeat one another's attributes, so what occurs stays few.
        present = np.flatnonzero(np.bincount(joint))
        if len(present) > _MOST_CELLS:
            return None
        place = np.zeros(int(present.max(initial=0)) + 1, dtype=np.int64)
        place[present] = np.arange(len(present))
        joint = place[joint]
    first = np.zeros(int(joint.max(initial=-1)) + 1, dtype=np.int64)
    first[joint[::-1]] = np.arange(n)[::-1]
    return joint, first


def _reference(split: Split, wanted: Mapping[str, str]) -> int | None:
    """Return the place of the declared reference level of an attribute, where it has cases."""
    if len(split.names) != 1:
        return None
    levels = [label[split.names[0]] for label in split.labels]
    level = wanted.get(split.names[0], "rest")
    return levels.index(level) if level in levels else None


def compact_codes(codes: npt.NDArray[Any]) -> tuple[Ints, int]:
    """Return patient codes without holes, and how many patients there are."""
    whole = codes.dtype.kind in "iu"
    if whole and codes.min() >= 0 and codes.max() < 4 * len(codes) + 1024:
        new = np.cumsum(np.bincount(codes) > 0) - 1
        return new[codes], int(new[-1]) + 1
    levels, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), len(levels)


def _split(
    names: tuple[str, ...],
    crossed: Sequence[Grouping],
    patient: Ints,
    by_patient: Ints,
    clustered: bool,  # noqa: FBT001 - internal, one caller
) -> Split:
    code, labels = _codes(crossed, len(patient))
    size = len(labels)
    narrow = code.astype(np.int16 if size < np.iinfo(np.int16).max else np.int32)
    rows = by_patient
    if size != 1 or bool((code == size).any()):
        rows = by_patient[np.argsort(narrow[by_patient], kind="stable")]
    counts = np.bincount(code, minlength=size + 1)[:size]
    row_bounds = np.concatenate(([0], np.cumsum(counts)))
    rows = rows[: row_bounds[-1]]
    group, whose = code[rows], patient[rows]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (group[1:] != group[:-1]) | (whose[1:] != whose[:-1])
    starts = np.flatnonzero(new)
    return Split(
        names=names,
        labels=labels,
        code=code,
        narrow=narrow,
        rows=rows,
        row_bounds=row_bounds,
        pair_of_row=None if len(starts) == len(rows) else np.cumsum(new) - 1,
        pair_patient=whose[starts],
        bounds=np.searchsorted(starts, row_bounds).astype(np.int64),
        shared=clustered and _shared(whose[starts], code, size, patient),
    )


def _codes(crossed: Sequence[Grouping], n: int) -> tuple[Ints, tuple[dict[str, str], ...]]:
    """Return the group of each row and the groups that occur, in the order of the levels."""
    joint, missing = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    for attribute in crossed:
        codes = np.asarray(attribute.codes, dtype=np.int64)
        missing |= codes < 0
        joint = joint * len(attribute.levels) + codes
    joint[missing] = -1
    total = int(np.prod([len(one.levels) for one in crossed], dtype=np.int64))
    present = np.flatnonzero(np.bincount(joint[~missing], minlength=total))
    place = np.full(total + 1, len(present), dtype=np.int64)
    place[present] = np.arange(len(present))
    labels = []
    for cell in present.tolist():
        levels = np.unravel_index(cell, [len(one.levels) for one in crossed]) if crossed else ()
        labels.append(
            {one.name: one.levels[int(at)] for one, at in zip(crossed, levels, strict=True)}
        )
    return place[joint], tuple(labels)


def _shared(whose: Ints, code: Ints, size: int, patient: Ints) -> bool:
    """Return whether a patient of one group has a row outside that group."""
    seen = np.bincount(whose, minlength=int(patient.max(initial=0)) + 1)
    if (seen > 1).any():
        return True
    outside = code == size
    return bool(outside.any()) and bool((seen[patient[outside]] > 0).any())
