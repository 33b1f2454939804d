"""AUROC of each group's reference: a named level, or everybody outside the group.

The area of the rest follows exactly from whole-number wins by inclusion and exclusion. Its
variance needs the placement values against the rest's own other class; they are looked up in one
table of cumulated counts per group, over at most 8,192 score bins of equal share: a placement
value moves by at most 1/16,384 and the variance in its eighth digit, while the table stays in the
processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audits.fairness.auroc import Areas, area_values, twice_the_wins
from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.ratios import REST
from audits.fairness.types import FloatArray, IntArray

BINS = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassRows:
    """Rows of one class ordered by patient, ready for sums over patients.

    Attributes:
        bins: Score bin of each row.
        starts: First row of each patient.
        patients: Patients with such rows.
        grouped: Rows ordered by group.
        bounds: First place in ``grouped`` of each group, and one past the last.
        inside: Patients of each group, where no patient is in two.
    """

    bins: IntArray
    starts: IntArray
    patients: IntArray
    grouped: IntArray
    bounds: IntArray
    inside: IntArray

    def of(self, group: int) -> IntArray:
        """Return the rows of a group."""
        return self.grouped[self.bounds[group] : self.bounds[group + 1]]

    def by_patient(self, values: FloatArray) -> FloatArray:
        """Return sums over each patient's rows."""
        if len(self.starts) == len(self.bins):
            return values
        return np.asarray(np.add.reduceat(values, self.starts))

    def outside(self, group: int, table: FloatArray) -> FloatArray:
        """Return each patient's sum of a value by bin over rows outside a group."""
        values = table[self.bins]
        values[self.of(group)] = 0.0
        return self.by_patient(values)

    def patients_outside(self, group: int, *, shared: bool) -> int:
        """Return how many patients have rows outside a group."""
        if not shared:
            return len(self.starts) - int(self.inside[group])
        there = np.ones(len(self.bins))
        there[self.of(group)] = 0.0
        return int(np.count_nonzero(self.by_patient(there)))


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What each group is compared with, as far as counts alone tell.

    Attributes:
        reference: A group's index, or ``REST``.
        wanted: Groups whose reference is needed; the others' values are NaN.
        area: Area of each group's reference, (groups,).
        positives: Its positives.
        negatives: Its negatives.
        bin_of_rank: Bin of each distinct score.
        pos: Positives of each group in each bin, (groups, bins); empty where there is no rest.
        neg: The same of the negatives.
    """

    reference: int
    wanted: IntArray
    area: FloatArray
    positives: FloatArray
    negatives: FloatArray
    bin_of_rank: IntArray
    pos: IntArray
    neg: IntArray


def references_of(
    cells: ScoreCells, distinct: int, *, reference: int, wanted: IntArray
) -> References:
    """Return the area of each group's reference and the tables that its variance is read from."""
    pos, neg = cells.positives.astype(np.float64), cells.negatives.astype(np.float64)
    if reference != REST:
        none = np.zeros((0, 0), dtype=np.int64)
        area = area_values(cells)
        return References(
            reference=reference,
            wanted=wanted,
            area=np.full(cells.size, area[reference]),
            positives=np.full(cells.size, pos[reference]),
            negatives=np.full(cells.size, neg[reference]),
            bin_of_rank=np.zeros(0, dtype=np.int64),
            pos=none,
            neg=none,
        )
    rest_pos, rest_neg = pos.sum() - pos, neg.sum() - neg
    for_pos, for_neg = outranked_by_all(cells, distinct)
    twice = cells.sum_cells(cells.pos * for_pos) + cells.sum_cells(cells.neg * for_neg)
    everybody = float(cells.sum_cells(cells.pos * for_pos).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        wins = everybody - twice + twice_the_wins(cells)
        area = np.where(rest_pos * rest_neg > 0, wins / (2 * rest_pos * rest_neg), np.nan)
    bins, count = _bins(distinct)
    key = cells.group * count + bins[cells.rank]
    return References(
        reference=REST,
        wanted=wanted,
        area=area,
        positives=rest_pos,
        negatives=rest_neg,
        bin_of_rank=bins,
        pos=_by_bin(key, cells.pos, cells.size, count),
        neg=_by_bin(key, cells.neg, cells.size, count),
    )


def outranked_by_all(cells: ScoreCells, distinct: int) -> tuple[FloatArray, FloatArray]:
    """Return twice the number of the other class, of all groups, that a row outranks, by cell."""
    pos = np.bincount(cells.rank, cells.pos, max(distinct, 1))
    neg = np.bincount(cells.rank, cells.neg, max(distinct, 1))
    for_pos = 2 * (np.cumsum(neg) - neg) + neg
    for_neg = 2 * (pos.sum() - np.cumsum(pos)) + pos
    return np.asarray(for_pos[cells.rank], float), np.asarray(for_neg[cells.rank], float)


def _by_bin(key: IntArray, counts: IntArray, size: int, bins: int) -> IntArray:
    table = np.bincount(key, counts, size * bins).astype(np.int64)
    return np.asarray(table.reshape(size, bins))


def _bins(distinct: int) -> tuple[IntArray, int]:
    """Return the bin of each distinct score: itself, or one of 8,192 of equal share."""
    rank = np.arange(max(distinct, 1), dtype=np.int64)
    if distinct <= BINS:
        return rank, len(rank)
    return rank * BINS // distinct, BINS


def reference_sums_of_areas(
    frame: Frame, family: Family, against: References, influence: FloatArray
) -> dict[str, FloatArray]:
    """Return the sums over patients behind the references' variance and the covariance.

    They add up over parts of the rows that never split a patient.

    Args:
        frame: Some or all of the rows.
        family: Their groups.
        against: The references, over all rows.
        influence: Influence of each (group, patient) pair on its group's area.
    """
    if against.reference == REST:
        return _rest_sums(frame, family, against, influence)
    covariance = np.zeros(family.size)
    if family.shared:
        dense = np.zeros(frame.patients)
        there = family.pair_group == against.reference
        dense[family.pair_patient[there]] = influence[there]
        covariance = family.sum_pairs(influence * dense[family.pair_patient])
    return {"covariance": covariance}


def reference_areas(
    sums: Mapping[str, FloatArray],
    family: Family,
    areas: Areas,
    against: References,
    *,
    clustered: bool,
) -> tuple[Areas, FloatArray]:
    """Return the reference of every group, and the covariance of group and reference.

    Args:
        sums: Of :func:`reference_sums_of_areas`, over all rows.
        family: The groups.
        areas: Areas of the groups.
        against: The references.
        clustered: Whether any patient has more than one row.
    """
    if against.reference != REST:
        return areas.take(against.reference), sums["covariance"]
    rest_pos, rest_neg = against.positives, against.negatives
    c_pos, c_neg = sums["c_pos"], sums["c_neg"]
    patients = family.cohort - family.patients
    if family.shared:
        patients = np.full(family.size, float(family.cohort))
    with np.errstate(divide="ignore", invalid="ignore"):
        v_pos = c_pos / (c_pos - 1) * sums["aa"] / rest_pos**2
        v_neg = c_neg / (c_neg - 1) * sums["bb"] / rest_neg**2
        cross = 2 * patients / (patients - 1) * sums["ab"] / (rest_pos * rest_neg)
        share_pos = np.where(rest_pos > 0, _rest_mean(areas.deff_pos, areas.positives), 1.0)
        share_neg = np.where(rest_neg > 0, _rest_mean(areas.deff_neg, areas.negatives), 1.0)
    defined = (c_pos > 1) & (c_neg > 1)
    return (
        Areas(
            area=against.area,
            positives=rest_pos,
            negatives=rest_neg,
            patients=patients,
            v_pos=np.where(defined, v_pos, np.nan),
            v_neg=np.where(defined, v_neg, np.nan),
            cross=np.where(defined & clustered, cross, 0.0),
            c_pos=c_pos,
            c_neg=c_neg,
            deff_pos=share_pos,
            deff_neg=share_neg,
        ),
        np.nan_to_num(sums["covariance"]),
    )


def _rest_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean of everybody else's values."""
    left = weights.sum() - weights
    return np.where(
        left > 0, ((values * weights).sum() - values * weights) / np.maximum(left, 1), 1.0
    )


def _rest_sums(
    frame: Frame, family: Family, against: References, influence: FloatArray
) -> dict[str, FloatArray]:
    names = ("aa", "bb", "ab", "c_pos", "c_neg")
    out = {name: np.full(family.size, np.nan) for name in names}
    out["covariance"] = np.zeros(family.size)
    inside = family.code < family.size
    ordered = frame.by_patient if inside.all() else frame.by_patient[inside[frame.by_patient]]
    chosen = frame.positive[ordered]
    bins = against.bin_of_rank[frame.rank]
    pos = _class_rows(frame, family, bins, ordered[chosen])
    neg = _class_rows(frame, family, bins, ordered[~chosen])
    _, at_pos, at_neg = np.intersect1d(
        pos.patients, neg.patients, assume_unique=True, return_indices=True
    )
    all_pos, all_neg = against.pos.sum(axis=0), against.neg.sum(axis=0)
    for group in against.wanted.tolist():
        rest_pos, rest_neg = all_pos - against.pos[group], all_neg - against.neg[group]
        total_pos, total_neg = against.positives[group], against.negatives[group]
        with np.errstate(divide="ignore", invalid="ignore"):
            for_pos = _middle(rest_neg) / total_neg - against.area[group]
            for_neg = (total_pos - _middle(rest_pos)) / total_pos - against.area[group]
        a, b = pos.outside(group, for_pos), neg.outside(group, for_neg)
        out["aa"][group], out["bb"][group] = a @ a, b @ b
        out["ab"][group] = a[at_pos] @ b[at_neg]
        out["c_pos"][group] = pos.patients_outside(group, shared=family.shared)
        out["c_neg"][group] = neg.patients_outside(group, shared=family.shared)
        if family.shared:
            dense = np.zeros(frame.patients)
            with np.errstate(divide="ignore", invalid="ignore"):
                dense[pos.patients] += a / total_pos
                dense[neg.patients] += b / total_neg
            mine = family.pair_group == group
            out["covariance"][group] = influence[mine] @ dense[family.pair_patient[mine]]
    return out


def _class_rows(frame: Frame, family: Family, bins: IntArray, rows: IntArray) -> _ClassRows:
    patient, code = frame.patient[rows], family.code[rows]
    starts = np.flatnonzero(np.diff(patient, prepend=-1))
    # Stable sorts of 16-bit codes are radix sorts: linear in the rows.
    narrow = code.astype(np.int16 if family.size < np.iinfo(np.int16).max else np.int32)
    counts = np.bincount(code, minlength=family.size)
    return _ClassRows(
        bins=bins[rows],
        starts=starts,
        patients=patient[starts],
        grouped=np.argsort(narrow, kind="stable"),
        bounds=np.concatenate(([0], np.cumsum(counts))),
        inside=np.bincount(code[starts], minlength=family.size),
    )


def _middle(counts: IntArray) -> FloatArray:
    """Return the count below each bin plus half of the bin."""
    return np.asarray(np.cumsum(counts) - counts / 2)
