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

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Bools, Floats, Ints, Split

EXACT_ROWS = 8_192
BINS = 256
"""Past ``EXACT_ROWS`` rows placements against the rest are read at this many bins of equal share:
a placement is off by at most 1/512, without bias, and the variance by a thousandth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One version's scores in order.

    Attributes:
        order: Rows by ascending score, (n,).
        rank: Place of each row's score among the distinct scores, (n,).
        distinct: Number of distinct scores.
        place: Score bin of each row that placements against the rest are read at, (n,).
        bins: Number of these bins.
    """

    order: Ints
    rank: npt.NDArray[np.int32]
    distinct: int
    place: Ints
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
            the patients whose rows changed place, less one).
        influence: Influence of each (group, patient) pair on the change, (pairs,).
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
    order = np.argsort(score)
    ascending = score[order]
    new = np.ones(len(score), dtype=np.bool_)
    new[1:] = ascending[1:] != ascending[:-1]
    rank = np.empty(len(score), dtype=np.int32)
    rank[order] = np.cumsum(new, dtype=np.int32) - 1
    distinct = int(new.sum())
    place, bins = rank.astype(np.int64), distinct
    if len(score) > EXACT_ROWS and distinct > BINS:
        first = np.flatnonzero(new)
        place, bins = (first * BINS // len(score))[rank], BINS
    return Ranked(order=order, rank=rank, distinct=distinct, place=place, bins=bins)


def area_change(split: Split, positive: Bools, versions: tuple[Ranked, Ranked]) -> AreaChange:
    """Return both versions' areas in every group, and the variance of their difference.

    Args:
        split: The groups.
        positive: (n,) labels.
        versions: Base and candidate.
    """
    n1 = np.diff(np.concatenate(([0], np.cumsum(positive[split.rows])))[split.row_bounds])
    n1 = n1.astype(np.float64)
    n0 = split.counts - n1
    placed = np.stack([_placements(split, positive, one) for one in versions])
    has_up, has_down = split.to_pairs(positive), split.to_pairs(~positive)
    up = [split.to_pairs(one * positive) for one in placed]
    down = [split.to_pairs(one) - above for one, above in zip(placed, up, strict=True)]
    group = np.repeat(np.arange(split.size), np.diff(split.bounds))
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = np.stack([split.over_groups(one) for one in up]) / n1
        areas = np.where(n1 * n0 > 0, areas, np.nan)
        flows = [
            (
                (up[at] - has_up * areas[at][group]) / n1[group],
                (down[at] - has_down * areas[at][group]) / n0[group],
            )
            for at in (0, 1)
        ]
        moved = (flows[1][0] - flows[0][0], flows[1][1] - flows[0][1])
        has = split.over_groups(has_up > 0), split.over_groups(has_down > 0)
        spread = np.stack([_variance(split, *flow, has)[0] for flow in flows])
        variance, freedom = _variance(split, *moved, has)
    influence = np.nan_to_num(moved[0] + moved[1])
    return AreaChange(
        base=areas[0],
        candidate=areas[1],
        spread=spread,
        variance=variance,
        freedom=np.minimum(freedom, split.over_groups(influence != 0) - 1),
        influence=influence,
        placed=placed,
    )


def _variance(split: Split, a: Floats, b: Floats, has: tuple[Floats, Floats]) -> tuple[Floats, ...]:
    """Return DeLong's variance of a mean of placements, by patient, and its degrees of freedom.

    The sample factors of both classes make it DeLong's own where every patient has one row.
    """
    up, down = has
    patients = np.diff(split.bounds)
    above = up / (up - 1) * split.over_groups(a * a)
    below = down / (down - 1) * split.over_groups(b * b)
    apart = above + below
    freedom = apart**2 / (above**2 / (up - 1) + below**2 / (down - 1))
    if split.starts is None:
        return np.asarray(apart), freedom
    total = apart + 2 * patients / (patients - 1) * split.over_groups(a * b)
    # Few patients with both classes can make the cross term outweigh the others by chance.
    return np.maximum(total, apart * 0.1), freedom


def _placements(split: Split, positive: Bools, ranked: Ranked) -> Floats:
    """Return each row's placement within its group; 0 for rows in no group."""
    rows = ranked.order
    if split.size != 1 or len(split.rows) < len(rows):
        rows = rows[np.argsort(split.narrow[rows], kind="stable")][: len(split.rows)]
    mine = positive[rows]
    rank = ranked.rank[rows] if ranked.distinct < len(ranked.order) else None
    sorted_place = np.empty(len(rows))
    for start, end in pairwise(split.row_bounds.tolist()):
        part = slice(start, end)
        sorted_place[part] = _of_group(mine[part], None if rank is None else rank[part])
    out = np.zeros(len(positive))
    out[rows] = sorted_place
    return out


def _of_group(positive: Bools, rank: npt.NDArray[np.int32] | None) -> Floats:
    """Return placements of one group's rows in ascending order; ``rank`` where scores tie."""
    m = len(positive)
    below = np.concatenate(([0], np.cumsum(positive)))
    n1 = int(below[-1])
    n0 = m - n1
    if n1 == 0 or n0 == 0:
        return np.zeros(m)
    if rank is None:
        ahead = below[:-1]
        return np.asarray(np.where(positive, (np.arange(m) - ahead) / n0, (n1 - ahead) / n1))
    new = np.ones(m, dtype=np.bool_)
    new[1:] = rank[1:] != rank[:-1]
    first = np.flatnonzero(new)
    cell = np.cumsum(new) - 1
    start, end = first[cell], np.append(first[1:], m)[cell]
    low, high = below[start], below[end]
    outranked = (start - low) + (end - high)
    outranking = 2 * n1 - low - high
    return np.asarray(np.where(positive, outranked / (2 * n0), outranking / (2 * n1)))
