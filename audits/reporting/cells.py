"""The counts of one output as cells, and which of them a reader could work out.

Every published count of a group derives from four atoms: true and false positives and
negatives. Groups add up: the levels of an attribute to the whole cohort, intersections to
their marginals. What a reader can derive from the shown counts is the row space of these
equations (Cox 1995, "Network models for complementary cell suppression"; here any number of
tables at once, by linear algebra).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

import numpy as np
import numpy.typing as npt

Key = tuple[tuple[str, str], ...]
"""A group: its (attribute, level) pairs in sorted order; () is the whole cohort."""

ATOMS = ("tp", "fn", "fp", "tn")
_TOLERANCE = 1e-9


class Hide(Flag):
    """What of a group is not shown."""

    NOTHING = 0
    POSITIVE = auto()  # how the label-positive cases were called
    NEGATIVE = auto()  # how the label-negative cases were called
    LABEL = auto()  # how many cases are label-positive
    SIZE = auto()  # how many cases there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Exact counts of one group.

    Attributes:
        n: Cases.
        atoms: tp, fn, fp, tn; where no threshold is set, positives and negatives stand in tp
            and tn and nothing else is published of them.
        patients: Distinct patients behind each published denominator (all, positives,
            negatives, called positive, called negative), where known.
    """

    n: int
    atoms: tuple[int, int, int, int]
    patients: tuple[int | None, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return every count that some published number reveals."""
        tp, fn, fp, tn = self.atoms
        return {
            "n": self.n,
            "positives": tp + fn,
            "negatives": fp + tn,
            "tp": tp,
            "fn": fn,
            "fp": fp,
            "tn": tn,
        }


# Which atoms each count sums.
SUMS: Mapping[str, tuple[int, int, int, int]] = {
    "n": (1, 1, 1, 1),
    "positives": (1, 1, 0, 0),
    "negatives": (0, 0, 1, 1),
    "tp": (1, 0, 0, 0),
    "fn": (0, 1, 0, 0),
    "fp": (0, 0, 1, 0),
    "tn": (0, 0, 0, 1),
}
_HIDDEN_BY: Mapping[str, Hide] = {
    "n": Hide.SIZE,
    "positives": Hide.SIZE | Hide.LABEL,
    "negatives": Hide.SIZE | Hide.LABEL,
    "tp": Hide.SIZE | Hide.LABEL | Hide.POSITIVE,
    "fn": Hide.SIZE | Hide.LABEL | Hide.POSITIVE,
    "fp": Hide.SIZE | Hide.LABEL | Hide.NEGATIVE,
    "tn": Hide.SIZE | Hide.LABEL | Hide.NEGATIVE,
}
FLAG_OF: Mapping[str, Hide] = {
    "n": Hide.SIZE,
    "positives": Hide.LABEL,
    "negatives": Hide.LABEL,
    "tp": Hide.POSITIVE,
    "fn": Hide.POSITIVE,
    "fp": Hide.NEGATIVE,
    "tn": Hide.NEGATIVE,
}


def is_hidden(count: str, flags: Hide) -> bool:
    """Return whether a count of a group with these flags is not shown."""
    return bool(_HIDDEN_BY[count] & flags)


def key_of(attributes: Mapping[str, Any]) -> Key:
    """Return the group that ``attributes`` names."""
    return tuple(sorted((str(a), str(v)) for a, v in attributes.items()))


def cells_of(group: Mapping[str, Any]) -> Cells:
    """Return the cells of one published group (or ``overall``)."""
    metrics = group.get("metrics", {})
    n = int(group.get("n") or 0)
    positives = int(group.get("positives") or 0)
    tp = _count(metrics, "tpr", positives)
    fp = _count(metrics, "fpr", 0)
    patients = [group.get("patients")]
    patients += [metrics.get(m, {}).get("n_patients") for m in ("tpr", "fpr", "ppv", "npv")]
    atoms = (tp, positives - tp, fp, n - positives - fp)
    return Cells(n=n, atoms=atoms, patients=tuple(patients))


def _count(metrics: Mapping[str, Any], name: str, absent: int) -> int:
    k = metrics.get(name, {}).get("k")
    return absent if k is None else int(k)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """``total`` is the sum of ``parts``."""

    total: Key
    parts: tuple[Key, ...]


def sums_among(keys: Sequence[Key]) -> list[Sum]:
    """Return every way in which published groups add up to another published group."""
    families: dict[tuple[str, ...], list[Key]] = {}
    for key in keys:
        families.setdefault(tuple(a for a, _ in key), []).append(key)
    found = []
    for fine, parts in families.items():
        for coarse, totals in families.items():
            if set(coarse) < set(fine):
                found += [
                    Sum(total=t, parts=tuple(p for p in parts if set(t) <= set(p))) for t in totals
                ]
    return [s for s in found if s.parts]


def derivable(
    cells: Mapping[Key, Cells], flags: Mapping[Key, Hide], sums: Sequence[Sum], cell: int
) -> list[tuple[Key, str]]:
    """Return the hidden counts of 1 to ``cell`` that follow from what is shown.

    A zero is always shown, so it counts as known.
    """
    unknown = [
        (key, i)
        for key, flag in flags.items()
        for i, atom in enumerate(ATOMS)
        if is_hidden(atom, flag) and cells[key].atoms[i] > 0
    ]
    column = {atom: position for position, atom in enumerate(unknown)}
    if not unknown:
        return []
    targets = [
        (key, count)
        for key, flag in flags.items()
        for count, value in cells[key].counts.items()
        if is_hidden(count, flag) and 1 <= value <= cell
    ]
    known = _known_rows(flags, sums, column)
    if not (len(known) and targets):
        return []
    vectors = np.array([_vector(key, SUMS[count], column) for key, count in targets])
    loose = np.abs(vectors @ _null_space(known)).max(axis=1, initial=0.0)
    return [t for t, size in zip(targets, loose, strict=True) if size < _TOLERANCE]


def _known_rows(
    flags: Mapping[Key, Hide], sums: Sequence[Sum], column: Mapping[tuple[Key, int], int]
) -> npt.NDArray[np.float64]:
    """Return the linear combinations of unknown atoms whose value a reader has."""
    rows = []
    for key, flag in flags.items():
        rows += [
            _vector(key, SUMS[count], column)
            for count in ("n", "positives", "negatives")
            if flag and not is_hidden(count, flag)
        ]
    for total in sums:
        for atom in np.eye(len(ATOMS), dtype=int):
            row = -_vector(total.total, tuple(atom), column)
            for part in total.parts:
                row += _vector(part, tuple(atom), column)
            rows.append(row)
    stacked = np.array(rows).reshape(-1, len(column))
    return np.unique(stacked[np.any(stacked != 0, axis=1)], axis=0)


def _vector(
    key: Key, weights: Sequence[int], column: Mapping[tuple[Key, int], int]
) -> npt.NDArray[np.float64]:
    row = np.zeros(len(column))
    for i, weight in enumerate(weights):
        position = column.get((key, i))
        if position is not None:
            row[position] = weight
    return row


def _null_space(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return an orthonormal basis (columns) of what ``rows`` leave open."""
    # The entries are small integers, so the Gram matrix is exact and cheap to decompose.
    sizes, basis = np.linalg.eigh(rows.T @ rows)
    return np.asarray(basis[:, sizes < _TOLERANCE * max(1.0, float(sizes[-1]))])
