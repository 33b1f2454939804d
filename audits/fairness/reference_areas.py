"""AUROC of each group's reference: a named level, or everybody outside the group.

The area of the rest follows exactly from whole-number wins by inclusion and exclusion. Its
variance needs the placement values against the rest's own other class; they are looked up in one
table of cumulated counts per group, over at most 8,192 score bins of equal share: a placement
value moves by at most 1/16,384 and the variance in its eighth digit, while the table stays in the
processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.auroc import Areas, Placements, twice_outranked
from audits.fairness.cells import score_cells
from audits.fairness.frame import Family, Frame
from audits.fairness.ratios import REST
from audits.fairness.types import BoolArray, FloatArray, IntArray

BINS = 8_192
_CHUNK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassRows:
    """Rows of one class ordered by patient, ready for sums over patients."""

    bins: IntArray
    code: IntArray
    starts: IntArray
    patients: IntArray

    def by_patient(self, values: FloatArray) -> FloatArray:
        """Return sums over each patient's rows, along the last axis."""
        if len(self.starts) == len(self.bins):
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))


def reference_areas(  # noqa: PLR0913 - groups, their reference and what is at hand
    frame: Frame,
    family: Family,
    areas: Areas,
    placements: Placements,
    *,
    whole: tuple[IntArray, FloatArray],
    reference: int,
    wanted: IntArray,
) -> tuple[Areas, FloatArray]:
    """Return the reference of every group, and the covariance of group and reference.

    Args:
        frame: The rows.
        family: The groups.
        areas: Areas of the groups.
        placements: What they were computed from.
        whole: Twice the outranked counts and the wins within the whole cohort.
        reference: A group's index, or ``REST``.
        wanted: Groups whose reference is needed; the others' values are NaN.
    """
    if reference != REST:
        covariance = np.zeros(family.size)
        if family.shared:
            dense = np.zeros(frame.patients)
            there = family.pair_group == reference
            dense[family.pair_patient[there]] = placements.influence[there]
            covariance = family.sum_pairs(placements.influence * dense[family.pair_patient])
        return areas.take(reference), covariance
    return _rest(frame, family, areas, placements, whole=whole, wanted=wanted)


def _rest(
    frame: Frame,
    family: Family,
    areas: Areas,
    placements: Placements,
    *,
    whole: tuple[IntArray, FloatArray],
    wanted: IntArray,
) -> tuple[Areas, FloatArray]:
    inside = family.code < family.size
    outranked, wins = whole
    if not inside.all():
        rows = frame.order[inside[frame.order]]
        outranked, wins = twice_outranked(
            score_cells(frame, rows, np.where(inside, 0, 1), 1), frame
        )
    twice = outranked.astype(np.float64)
    rest_pos = areas.positives.sum() - areas.positives
    rest_neg = areas.negatives.sum() - areas.negatives
    rest_wins = wins[0] - family.sum_rows(twice) + placements.wins
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.where(rest_pos * rest_neg > 0, rest_wins / (2 * rest_pos * rest_neg), np.nan)
    spread = _spread(frame, family, placements, area, (rest_pos, rest_neg), wanted)
    patients, c_pos, c_neg = spread["patients"], spread["c_pos"], spread["c_neg"]
    with np.errstate(divide="ignore", invalid="ignore"):
        v_pos = c_pos / (c_pos - 1) * spread["aa"] / rest_pos**2
        v_neg = c_neg / (c_neg - 1) * spread["bb"] / rest_neg**2
        cross = 2 * patients / (patients - 1) * spread["ab"] / (rest_pos * rest_neg)
        share_pos = np.where(rest_pos > 0, _rest_mean(areas.deff_pos, areas.positives), 1.0)
        share_neg = np.where(rest_neg > 0, _rest_mean(areas.deff_neg, areas.negatives), 1.0)
    defined = (c_pos > 1) & (c_neg > 1)
    return (
        Areas(
            area=area,
            positives=rest_pos,
            negatives=rest_neg,
            patients=patients,
            v_pos=np.where(defined, v_pos, np.nan),
            v_neg=np.where(defined, v_neg, np.nan),
            cross=np.where(defined & frame.clustered, cross, 0.0),
            c_pos=c_pos,
            c_neg=c_neg,
            deff_pos=share_pos,
            deff_neg=share_neg,
        ),
        spread["covariance"],
    )


def _rest_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean of everybody else's values."""
    left = weights.sum() - weights
    return np.where(
        left > 0, ((values * weights).sum() - values * weights) / np.maximum(left, 1), 1.0
    )


def _spread(
    frame: Frame,
    family: Family,
    placements: Placements,
    area: FloatArray,
    sizes: tuple[FloatArray, FloatArray],
    wanted: IntArray,
) -> dict[str, FloatArray]:
    names = ("aa", "bb", "ab", "c_pos", "c_neg", "patients", "covariance")
    out = {name: np.full(family.size, np.nan) for name in names}
    out["covariance"] = np.zeros(family.size)
    bins, count = _bins(frame)
    inside = family.code < family.size
    ordered = frame.by_patient if inside.all() else frame.by_patient[inside[frame.by_patient]]
    chosen = frame.positive[ordered]
    pos = _class_rows(frame, family, bins, ordered[chosen])
    neg = _class_rows(frame, family, bins, ordered[~chosen])
    both, at_pos, at_neg = np.intersect1d(
        pos.patients, neg.patients, assume_unique=True, return_indices=True
    )
    everyone = len(pos.patients) + len(neg.patients) - len(both)
    all_pos, all_neg = (
        np.bincount(pos.bins, minlength=count),
        np.bincount(neg.bins, minlength=count),
    )
    step = max(1, _CHUNK_CELLS // max(frame.n + count, 1))
    for begin in range(0, len(wanted), step):
        groups = wanted[begin : begin + step]
        own_pos = _table(pos, groups, count)
        own_neg = _table(neg, groups, count)
        below = _middle(all_neg - own_neg)
        above = (all_pos - own_pos).sum(axis=1, keepdims=True) - _middle(all_pos - own_pos)
        with np.errstate(divide="ignore", invalid="ignore"):
            for_pos = below / sizes[1][groups, None] - area[groups, None]
            for_neg = above / sizes[0][groups, None] - area[groups, None]
        a, out["c_pos"][groups] = _patient_sums(family, pos, for_pos, groups)
        b, out["c_neg"][groups] = _patient_sums(family, neg, for_neg, groups)
        out["aa"][groups] = np.einsum("gi,gi->g", a, a)
        out["bb"][groups] = np.einsum("gi,gi->g", b, b)
        out["ab"][groups] = np.einsum("gi,gi->g", a[:, at_pos], b[:, at_neg])
        if family.shared:
            dense = np.zeros((len(groups), frame.patients))
            with np.errstate(divide="ignore", invalid="ignore"):
                dense[:, pos.patients] += a / sizes[0][groups, None]
                dense[:, neg.patients] += b / sizes[1][groups, None]
            for row, group in enumerate(groups):
                mine = family.pair_group == group
                whose = family.pair_patient[mine]
                out["covariance"][group] = placements.influence[mine] @ dense[row, whose]
    mine = family.sum_pairs(np.ones(len(family.pair_group)))
    out["patients"] = np.full(family.size, float(everyone)) if family.shared else everyone - mine
    out["covariance"] = np.nan_to_num(out["covariance"])
    return out


def _bins(frame: Frame) -> tuple[IntArray, int]:
    """Return the score bin of each row: the distinct scores, or 8,192 of equal share."""
    distinct = len(frame.distinct)
    if distinct <= BINS:
        return frame.rank, max(distinct, 1)
    return frame.rank * BINS // distinct, BINS


def _class_rows(frame: Frame, family: Family, bins: IntArray, rows: IntArray) -> _ClassRows:
    patient = frame.patient[rows]
    starts = np.flatnonzero(np.diff(patient, prepend=-1))
    return _ClassRows(
        bins=bins[rows], code=family.code[rows], starts=starts, patients=patient[starts]
    )


def _table(rows: _ClassRows, groups: IntArray, count: int) -> IntArray:
    """Return the class's counts of the chosen groups in each bin, (groups, bins)."""
    place = np.full(int(rows.code.max(initial=0)) + 2 + int(groups.max(initial=0)), -1)
    place[groups] = np.arange(len(groups))
    at = place[rows.code]
    keep: BoolArray = at >= 0
    flat = np.bincount(at[keep] * count + rows.bins[keep], minlength=len(groups) * count)
    return np.asarray(flat.reshape(len(groups), count))


def _middle(counts: IntArray) -> FloatArray:
    """Return the count below each bin plus half of the bin, along the last axis."""
    return np.asarray(np.cumsum(counts, axis=1) - counts / 2)


def _patient_sums(
    family: Family, rows: _ClassRows, table: FloatArray, groups: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return each patient's sum outside each group, and how many patients have rows there."""
    if len(rows.bins) == 0:
        return np.zeros((len(groups), 0)), np.zeros(len(groups))
    other = rows.code[None, :] != groups[:, None]
    sums = rows.by_patient(np.where(other, table[:, rows.bins], 0.0))
    if family.shared:
        present = (rows.by_patient(other.astype(np.float64)) > 0).sum(axis=1)
        return sums, present.astype(np.float64)
    first = rows.code[rows.starts]
    present = len(rows.starts) - np.bincount(first, minlength=family.size + 1)[groups]
    return sums, present.astype(np.float64)
