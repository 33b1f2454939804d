"""The change of the AUROC outside every group, beside the group's own.

What everybody else's change is follows exactly from counts. Its variance needs each row's placement
among everybody else, which is read from one table a group: at every score where there are few, at
128 bins of equal share past that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audits.comparison.areas import BINS, AreaChange, Ranked
from audits.comparison.layout import Bools, Floats, Ints, Layout, Split
from audits.comparison.sums import ClassSums


@dataclass(frozen=True, slots=True, kw_only=True)
class RestChange:
    """Everybody outside each group: change of the area and what it shares with the group's.

    Attributes:
        delta: Candidate minus base outside the group, (groups,).
        variance: Variance of the group's change minus this one, (groups,).
    """

    delta: Floats
    variance: Floats


class RestAreas:
    """Measures the change outside the groups of any split, on tables that are made once.

    Args:
        layout: Who the rows belong to.
        positive: (n,) labels.
        versions: Base and candidate.
        whole: The change among everybody.
        classes: Sums over both classes of the groups.
    """

    def __init__(
        self,
        layout: Layout,
        positive: Bools,
        versions: tuple[Ranked, Ranked],
        whole: AreaChange,
        classes: ClassSums,
    ) -> None:
        self._layout, self._positive, self._classes = layout, positive, classes
        self._places = [(one.place, one.bins) for one in versions]
        self._binned = versions[0].bins * versions[1].bins <= BINS**2
        self._moved = whole.placed[1] - whole.placed[0]
        self._joint: Ints | None = None
        if layout.joint is not None and self._binned and not layout.clustered:
            code, size = layout.joint
            self._joint = _counted(code, size, positive, self._places)

    def change(self, split: Split, own: AreaChange) -> RestChange:
        """Return the change outside every group and the variance of the difference of changes.

        The change itself is exact: concordant pairs outside a group are all pairs less those that
        touch it.

        Args:
            split: The groups.
            own: The change within them.
        """
        cells: npt.NDArray[Any] | None = None
        if self._binned and not self._layout.clustered:
            if self._joint is not None:
                cells = split.from_joint(self._joint)
            else:
                cells = _counted(split.code, split.size + 1, self._positive, self._places)
            by_version = cells.sum(axis=3), cells.sum(axis=2)
            tables = [_Tables(one[:, 1], one[:, 0]) for one in by_version]
        else:
            tables = [
                _Tables(*_by_label(split, self._positive, place, bins))
                for place, bins in self._places
            ]
        counts = tables[0].classes
        delta = self._delta(split, own, counts)
        reader = self._reader(split, cells)
        variance = np.full(split.size, np.nan)
        for group in range(split.size):
            n1, n0 = (total - float(inside[group]) for total, inside in counts)
            if min(n1, n0) < 2 or not np.isfinite(delta[group]):  # noqa: PLR2004 - a variance
                continue
            read = [table.rest(group, (n1, n0)) for table in tables]
            outside, flow = reader.outside(group, read, float(delta[group]), (n1, n0))
            variance[group] = own.variance[group] + outside
            if split.shared and flow is not None:
                part = slice(split.bounds[group], split.bounds[group + 1])
                common = own.influence[part] @ flow[split.pair_patient[part]]
                variance[group] -= 2 * float(common)
        return RestChange(delta=delta, variance=variance)

    def _reader(self, split: Split, cells: npt.NDArray[Any] | None) -> _Reader:
        if cells is not None:
            return _Cells(cells)
        if not self._binned:
            return _Rows(self._layout, split, self._positive, self._places)
        return _OrderedRows(self._layout, split, self._positive, self._places)

    def _delta(
        self, split: Split, own: AreaChange, counts: tuple[tuple[float, Floats], ...]
    ) -> Floats:
        (all1, n1), (all0, n0) = counts
        moved = self._classes.over(split, self._moved)
        touched = moved[0, :-1] * all0 + moved[1, :-1] * all1
        inside = np.nan_to_num((own.candidate - own.base) * n1 * n0)
        total = float(moved[0].sum()) * all0
        with np.errstate(divide="ignore", invalid="ignore"):
            left = (total - touched + inside) / ((all1 - n1) * (all0 - n0))
        return np.where((all1 - n1) * (all0 - n0) > 0, left, np.nan)


_Places = list[tuple[npt.NDArray[Any], int]]
"""Score bin of each row and the number of bins, under base and candidate."""


def _counted(code: Ints, size: int, positive: Bools, places: _Places) -> Ints:
    """Return the rows of each group, label (negative first) and bins of both versions."""
    joint, cells = _joint(positive, places)
    table = np.bincount(code * cells + joint, minlength=size * cells)
    return table.reshape(size, 2, places[0][1], places[1][1])


def _by_label(split: Split, positive: Bools, place: Ints, bins: int) -> tuple[Floats, Floats]:
    """Return positives and negatives of every group, and of none, by bin."""
    key = split.code * bins + place
    shape = (split.size + 1, bins)
    counted = [
        np.asarray(np.bincount(key, one, shape[0] * bins).reshape(shape), dtype=np.float64)
        for one in (positive.astype(np.float64), None)
    ]
    return counted[0], counted[1] - counted[0]


class _Tables:
    """Positives above and negatives below every bin, ties half, in each group and everywhere."""

    def __init__(self, positives: Floats, negatives: Floats) -> None:
        size = len(positives) - 1
        self.classes = _totals(positives, size), _totals(negatives, size)
        self._all = _above(positives.sum(axis=0)), _below(negatives.sum(axis=0))
        self._own = _above(positives[:size]), _below(negatives[:size])

    def rest(self, group: int, counts: tuple[float, float]) -> tuple[Floats, Floats]:
        """Return placements of a positive and of a negative among everybody else, by bin."""
        n1, n0 = counts
        above = (self._all[0] - self._own[0][group]) / n1
        below = (self._all[1] - self._own[1][group]) / n0
        return below, above


def _totals(table: Floats, size: int) -> tuple[float, Floats]:
    """Return the rows of one class everywhere, and in each group."""
    return float(table.sum()), np.asarray(table[:size].sum(axis=1))


def _below(counts: Floats) -> Floats:
    return np.asarray(np.cumsum(counts, axis=-1) - counts / 2)


def _above(counts: Floats) -> Floats:
    return np.asarray(counts.sum(axis=-1, keepdims=True) - _below(counts))


_Read = list[tuple[Floats, Floats]]
"""Placements of a positive and of a negative by bin, under base and candidate."""


class _Reader(Protocol):
    """Sums the squared influences of everybody outside a group."""

    def outside(
        self, group: int, read: _Read, delta: float, counts: tuple[float, float]
    ) -> tuple[float, Floats | None]:
        """Return the variance of the rest's change, and each patient's influence on it."""
        ...


def _changes(read: _Read, delta: float, counts: tuple[float, float]) -> Floats:
    """Return the influence of a row by label (negative first) and bins of both versions."""
    return np.stack(
        [
            (read[1][side][None, :] - read[0][side][:, None] - delta)
            / np.sqrt(counts[side] * (counts[side] - 1))
            for side in (1, 0)
        ]
    )


def _joint(positive: Bools, places: _Places) -> tuple[Ints, int]:
    """Return the index of each row's label and bins in :func:`_changes`, and their number."""
    (first, b1), (second, b2) = places
    joint = positive.astype(np.int64)
    joint *= b1
    joint += first
    joint *= b2
    joint += second
    return joint, 2 * b1 * b2


class _Cells:
    """Independent rows, counted by group, label and bins of both versions."""

    def __init__(self, cells: npt.NDArray[Any]) -> None:
        self._own, self._all = cells, cells.sum(axis=0)

    def outside(
        self, group: int, read: _Read, delta: float, counts: tuple[float, float]
    ) -> tuple[float, Floats | None]:
        total = 0.0
        for label in (0, 1):
            side = 1 - label
            change = read[1][side][None, :] - (read[0][side] + delta)[:, None]
            change *= change
            rows = self._all[label] - self._own[group, label]
            total += float(np.vdot(rows, change)) / (counts[side] * (counts[side] - 1))
        return total, None


class _OrderedRows:
    """Repeated patients, their rows side by side, read from the table of bins."""

    def __init__(self, layout: Layout, split: Split, positive: Bools, places: _Places) -> None:
        self._every = layout.everybody
        rows = self._every.rows
        self._joint = _joint(positive, places)[0][rows]
        self._code = split.narrow[rows]

    def outside(
        self, group: int, read: _Read, delta: float, counts: tuple[float, float]
    ) -> tuple[float, Floats | None]:
        flow = _changes(read, delta, counts).ravel()[self._joint]
        flow[self._code == group] = 0.0
        return _by_patient(self._every, flow)


class _Rows:
    """Few rows, each read at its own rank."""

    def __init__(self, layout: Layout, split: Split, positive: Bools, places: _Places) -> None:
        self._every = layout.everybody
        rows = self._every.rows
        self._places = [place[rows] for place, _ in places]
        self._positive, self._code = positive[rows], split.code[rows]

    def outside(
        self, group: int, read: _Read, delta: float, counts: tuple[float, float]
    ) -> tuple[float, Floats | None]:
        sides = [
            (read[1][side][self._places[1]] - read[0][side][self._places[0]] - delta)
            / np.sqrt(n * (n - 1))
            for side, n in enumerate(counts)
        ]
        flow = np.where(self._positive, sides[0], sides[1])
        return _by_patient(self._every, np.where(self._code == group, 0.0, flow))


def _by_patient(every: Split, flow: Floats) -> tuple[float, Floats]:
    """Return the sum of squares over patients of influences in their order, and by patient."""
    pairs = every.over_pairs(flow)
    out = np.empty(len(pairs))
    out[every.pair_patient] = pairs
    return float(pairs @ pairs), out
