"""Ranking across groups: what within-group AUROC cannot see.

A group whose scores are all a little too high keeps its own AUROC, yet its negatives outrank other
groups' positives. Hence two areas per group: its positives against the rest's negatives, and the
rest's positives against its negatives (xAUC; BNSP and BPSN).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audits.fairness.auroc import Areas, Placements
from audits.fairness.frame import Family, Frame
from audits.fairness.intervals import newcombe_auroc
from audits.fairness.rates import Z95
from audits.fairness.types import FloatArray, IntArray
from audits.types import Estimate

METHOD = "newcombe 5 on effective counts"


def cross_areas(
    frame: Frame, family: Family, areas: Areas, placements: Placements, whole: IntArray
) -> list[dict[str, Any]]:
    """Return both cross areas of every group; exact values, from whole-number wins.

    Args:
        frame: The rows.
        family: The groups; every row in one of them.
        areas: Areas within the groups.
        placements: What they were computed from.
        whole: Twice the number of the other class each row outranks among all rows.
    """
    positive = frame.positive.astype(np.float64)
    wins_pos = family.sum_rows(whole * positive) - placements.wins
    wins_neg = family.sum_rows(whole * (1 - positive)) - placements.wins
    m, n = areas.positives, areas.negatives
    rest_m, rest_n = m.sum() - m, n.sum() - n
    ups = _estimates(frame, wins_pos, m, rest_n, areas.deff_pos, _mean(areas.deff_neg, n))
    downs = _estimates(frame, wins_neg, rest_m, n, _mean(areas.deff_pos, m), areas.deff_neg)
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
    frame: Frame,
    wins: FloatArray,
    m: FloatArray,
    n: FloatArray,
    deff_m: FloatArray,
    deff_n: FloatArray,
) -> list[Estimate]:
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
                deff=float(max(deff_m[index], deff_n[index])) if frame.clustered else 1.0,
                method=METHOD,
            )
        )
    return out
