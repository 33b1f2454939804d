"""The change of the AUROC in every group.

A row's placement is the share of the other class it is ranked rightly against. The change of the
area is the mean change of placements, its variance the sum of squares of patients' changes.

References:
    DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845 (paired areas).
    Obuchowski, Biometrics 53 (1997) 567-578 (clustered placements).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Bools, Floats, Ints, Split
from audits.comparison.sums import ClassSums

_ROUNDING = 1e-13
EXACT_ROWS = 8_192
BINS = 128
"""Past ``EXACT_ROWS`` rows placements against the rest are read at this many bins of equal share:
a placement is off by at most 1/256, without bias, and the variance by less than four thousandths,
a small part of what so many rows leave open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One version's scores in order.

    Attributes:
        order: Rows by ascending score, (n,).
        rank: Place of each row's score among the distinct scores, (n,); empty where none tie.
        distinct: Number of distinct scores.
        place: Score bin of each row that placements against the rest are read at, (n,); in 8 bits
            where there are at most ``BINS``.
        bins: Number of these bins.
    """

    order: Ints
    rank: npt.NDArray[np.int32]
    distinct: int
    place: npt.NDArray[Any]
    bins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaChange:
    """The areas of both versions in every group of a split; fields (groups,) unless said.

    Attributes:
        base: AUROC of the base, NaN where a class is empty.
        candidate: AUROC of the candidate.
        spread: Variance of each version's area, (2, groups).
        variance: Variance of candidate minus base.
        freedom: Degrees of freedom of that variance (Satterthwaite over both classes, at most
            the patients less one).
        influence: Influence of each (group, patient) pair on the change, (pairs,); empty where no
            patient has two rows.
        placed: Both versions' placements of each row within its group, (2, n).
    """

    base: Floats
    candidate: Floats
    spread: Floats
    variance: Floats
    freedom: Floats
    influence: Floats
    placed: Floats


def rank_scores(score: Floats) -> Ranked:
    """Put scores in order; ties share a rank."""
    n = len(score)
    order = _ascending(score)
    ascending = score[order]
    new = np.ones(n, dtype=np.bool_)
    new[1:] = ascending[1:] != ascending[:-1]
    distinct = int(new.sum())
    bins = distinct if n <= EXACT_ROWS else min(distinct, BINS)
    at: npt.NDArray[Any] = np.arange(n) if distinct == n else np.cumsum(new) - 1
    rank = np.empty(0 if distinct == n else n, dtype=np.int32)
    if len(rank):
        rank[order] = at
    if bins < distinct:
        bounds = -(-np.arange(BINS + 1) * n // BINS)
        bin_of = np.repeat(np.arange(BINS, dtype=np.uint8), np.diff(bounds))
        at = bin_of if distinct == n else bin_of[new][at]
    place = np.empty(n, dtype=np.uint8 if bins <= BINS else np.int64)
    place[order] = at
    return Ranked(order=order, rank=rank, distinct=distinct, place=place, bins=bins)


_BITS = 62
"""Scores are sorted as whole numbers of so many bits, those of the row the lowest, which is several
times sooner than sorting rows by their scores; where that does not tell scores apart they are."""


def _ascending(score: Floats) -> Ints:
    """Return the rows by ascending score, (n,)."""
    if len(score) <= EXACT_ROWS:
        return np.argsort(score)
    low, high = float(score.min()), float(score.max())
    if not 0 < high - low < np.inf:
        return np.argsort(score)
    bits = (len(score) - 1).bit_length()
    packed = ((score - low) * (2.0 ** (_BITS - bits) / (high - low))).astype(np.int64)
    packed <<= bits
    packed |= np.arange(len(score))
    packed.sort()
    packed &= (1 << bits) - 1
    ascending = score[packed]
    if bool((ascending[1:] < ascending[:-1]).any()):
        return np.argsort(score)
    return packed


def area_change(
    split: Split, positive: Bools, versions: tuple[Ranked, Ranked], classes: ClassSums
) -> AreaChange:
    """Return both versions' areas in every group, and the variance of their difference.

    Args:
        split: The groups.
        positive: (n,) labels.
        versions: Base and candidate.
        classes: Sums over both classes of the groups.
    """
    placed = np.zeros((2, len(positive)))
    for one, out in zip(versions, placed, strict=True):
        _place(split, positive, one, out)
    alone = split.pair_of_row is None and not split.shared
    with np.errstate(divide="ignore", invalid="ignore"):
        areas, variances, freedom, influence = (
            _of_rows(split, placed, classes) if alone else _of_patients(split, positive, placed)
        )
    return AreaChange(
        base=areas[0],
        candidate=areas[1],
        spread=variances[:2],
        variance=variances[2],
        freedom=np.minimum(freedom, np.diff(split.bounds) - 1),
        influence=influence,
        placed=placed,
    )


_Sums = tuple[Floats, Floats, Floats, Floats]
"""Areas (2, groups), variances of both and of their change (3, groups), degrees of freedom of the
last (groups,), influence on the change of each pair, empty where no two pairs are of one patient.
"""


def _of_rows(split: Split, placed: Floats, classes: ClassSums) -> _Sums:
    """Return DeLong's variances where every row is a patient of its own, from sums alone."""

    def over(values: Floats | None) -> Floats:
        return classes.over(split, values)[:, :-1]

    n = over(None)
    change = placed[1] - placed[0]
    means = np.stack([over(placed[0]), over(change)]) / n
    areas = np.where(n.min(axis=0) > 0, means[:, 0], np.nan)
    squares = np.stack([over(one * one) for one in (*placed, change)])
    centres = np.stack([means[0], means.sum(axis=0), means[1]])
    spread = squares - n * centres**2
    # What is only rounding of equal placements is no variation.
    spread = np.where(spread <= _ROUNDING * squares, 0.0, spread) / (n * (n - 1))
    variances = spread.sum(axis=1)
    freedom = variances[2] ** 2 / (spread[2] ** 2 / (n - 1)).sum(axis=0)
    return np.stack([areas[0], areas.sum(axis=0)]), variances, freedom, np.zeros(0)


def _of_patients(split: Split, positive: Bools, placed: Floats) -> _Sums:
    """Return variances from the sums of each patient's rows (Obuchowski)."""
    group = np.repeat(np.arange(split.size), np.diff(split.bounds))
    up = [split.to_pairs(one * positive) for one in placed]
    down = [split.to_pairs(one) - above for one, above in zip(placed, up, strict=True)]
    has_up = split.to_pairs(positive)
    has_down = split.to_pairs(~positive)
    n1, n0 = split.over_groups(has_up), split.over_groups(has_down)
    areas = np.stack([split.over_groups(one) for one in up]) / n1
    areas = np.where(n1 * n0 > 0, areas, np.nan)
    flows = [
        (
            (up[at] - has_up * areas[at][group]) / n1[group],
            (down[at] - has_down * areas[at][group]) / n0[group],
        )
        for at in (0, 1)
    ]
    flows.append((flows[1][0] - flows[0][0], flows[1][1] - flows[0][1]))
    has = split.over_groups(has_up > 0), split.over_groups(has_down > 0)
    found = [_variance(split, *flow, has) for flow in flows]
    influence = np.nan_to_num(flows[2][0] + flows[2][1])
    return areas, np.stack([one for one, _ in found]), found[2][1], influence


def _variance(
    split: Split, a: Floats, b: Floats, has: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return the variance of a mean of placements, by patient, and its degrees of freedom.

    The sample factors of both classes are DeLong's.
    """
    up, down = has
    patients = np.diff(split.bounds)
    above = up / (up - 1) * split.over_groups(a * a)
    below = down / (down - 1) * split.over_groups(b * b)
    apart = above + below
    freedom = apart**2 / (above**2 / (up - 1) + below**2 / (down - 1))
    total = apart + 2 * patients / (patients - 1) * split.over_groups(a * b)
    # Few patients with both classes can make the cross term outweigh the others by chance.
    return np.maximum(total, apart * 0.1), freedom


def against_level(split: Split, own: AreaChange, patients: int) -> tuple[Floats, Floats]:
    """Return the change of a split's reference group, and the variance of each group's from it.

    Args:
        split: The groups; has a reference.
        own: The change within them.
        patients: Number of patients of the layout.
    """
    at = split.reference or 0
    delta = own.candidate - own.base
    variance = own.variance + own.variance[at]
    if split.shared:
        theirs = np.zeros(patients)
        part = slice(split.bounds[at], split.bounds[at + 1])
        theirs[split.pair_patient[part]] = own.influence[part]
        variance = variance - 2 * split.over_groups(own.influence * theirs[split.pair_patient])
    return np.full(split.size, delta[at]), variance


def _place(split: Split, positive: Bools, ranked: Ranked, out: Floats) -> None:
    """Write each row's placement within its group into ``out``; rows in no group keep theirs."""
    rows = ranked.order
    if split.size != 1 or len(split.rows) < len(rows):
        rows = rows[np.argsort(split.narrow[rows], kind="stable")][: len(split.rows)]
    mine = positive[rows]
    rank = ranked.rank[rows] if len(ranked.rank) else None
    sorted_place = np.empty(len(rows))
    for start, end in pairwise(split.row_bounds.tolist()):
        part = slice(start, end)
        sorted_place[part] = _of_group(mine[part], None if rank is None else rank[part])
    out[rows] = sorted_place


def _of_group(positive: Bools, rank: npt.NDArray[np.int32] | None) -> Floats:
    """Return placements of one group's rows in ascending order; ``rank`` where scores tie."""
    m = len(positive)
    up = np.flatnonzero(positive)
    n1, n0 = len(up), m - len(up)
    if n1 == 0 or n0 == 0:
        return np.zeros(m)
    if rank is None:
        # A negative outranks those behind it, a positive the negatives ahead of it.
        out = np.subtract(n1, np.cumsum(positive), dtype=np.float64)
        out /= n1
        out[up] = (up - np.arange(n1)) / n0
        return np.asarray(out)
    below = np.concatenate(([0], np.cumsum(positive)))
    new = np.ones(m, dtype=np.bool_)
    new[1:] = rank[1:] != rank[:-1]
    first = np.flatnonzero(new)
    cell = np.cumsum(new) - 1
    start, end = first[cell], np.append(first[1:], m)[cell]
    low, high = below[start], below[end]
    outranked = (start - low) + (end - high)
    outranking = 2 * n1 - low - high
    return np.asarray(np.where(positive, outranked / (2 * n0), outranking / (2 * n1)))
