"""Ranking across groups: what within-group AUROC cannot see.

A group whose scores are all a little too high keeps its own AUROC, yet its negatives outrank other
groups' positives. Hence two areas per group: its positives against the rest's negatives, and the
rest's positives against its negatives (xAUC; BNSP and BPSN).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audits.fairness.auroc import Areas, twice_the_wins
from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.intervals import newcombe_auroc
from audits.fairness.rates import Z95
from audits.fairness.reference_areas import outranked_by_all
from audits.fairness.types import FloatArray
from audits.types import Estimate

METHOD = "newcombe 5 on effective counts"


def cross_areas(
    family: Family, cells: ScoreCells, areas: Areas, *, distinct: int, clustered: bool
) -> list[dict[str, Any]]:
    """Return both cross areas of every group; exact values, from whole-number wins.

    Args:
        family: The groups; every row in one of them.
        cells: Their counts by score.
        areas: Areas within the groups.
        distinct: Number of distinct scores.
        clustered: Whether any patient has more than one row.
    """
    within = twice_the_wins(cells)
    for_pos, for_neg = outranked_by_all(cells, distinct)
    wins_pos = cells.sum_cells(cells.pos * for_pos) - within
    wins_neg = cells.sum_cells(cells.neg * for_neg) - within
    m, n = areas.positives, areas.negatives
    rest_m, rest_n = m.sum() - m, n.sum() - n
    ups = _estimates(wins_pos, m, rest_n, (areas.deff_pos, _mean(areas.deff_neg, n)), clustered)
    downs = _estimates(wins_neg, rest_m, n, (_mean(areas.deff_pos, m), areas.deff_neg), clustered)
    return [
        {
            "attributes": dict(label),
            "own_positives_over_other_negatives": ups[index].to_dict(),
            "other_positives_over_own_negatives": downs[index].to_dict(),
        }
        for index, label in enumerate(family.labels)
    ]


def _mean(deff: FloatArray, weight: FloatArray) -> FloatArray:
    total = float(weight.sum())
    return np.full(len(deff), float((deff * weight).sum()) / total if total else 1.0)


def _estimates(
    wins: FloatArray,
    m: FloatArray,
    n: FloatArray,
    deffs: tuple[FloatArray, FloatArray],
    clustered: bool,  # noqa: FBT001 - one flag of a private function
) -> list[Estimate]:
    deff_m, deff_n = deffs
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.where(m * n > 0, wins / (2 * m * n), np.nan)
    low, high = newcombe_auroc(area, m / deff_m, n / deff_n, Z95)
    out = []
    for index, value in enumerate(area.tolist()):
        rows = int(m[index] + n[index])
        if not np.isfinite(value):
            missing = "no positives" if m[index] == 0 else "no negatives"
            out.append(Estimate.undefined(missing, n=rows, method=METHOD))
            continue
        out.append(
            Estimate(
                value=value,
                low=float(low[index]),
                high=float(high[index]),
                n=rows,
                deff=float(max(deff_m[index], deff_n[index])) if clustered else 1.0,
                method=METHOD,
            )
        )
    return out
