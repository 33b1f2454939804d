"""Who the cohort stands for: shares of every group against a declared target population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import chi2

from audits.fairness.causes.missingness import proportion
from audits.fairness.causes.rows import UNKNOWN, Rows, Split
from audits.types import Estimate


def representativeness(
    rows: Rows, population: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Compare the cohort with the population for every attribute that the policy declares.

    ``ratio`` is the share in the cohort over that in the population (1 is representative).
    Unknown values are left out of both. ``p`` tests all shares at once: Pearson's statistic on
    effective counts.

    Args:
        rows: The rows.
        population: Attribute to level to share of the population.
    """
    out = []
    for name, shares in population.items():
        split = rows.split(name)
        if split is None:
            reason = "the policy declares its population, but the data has no such group"
            out.append({"attribute": name, "state": "not_available", "reason": reason})
            continue
        out.append(_attribute(rows, split, shares))
    return out


def _attribute(rows: Rows, split: Split, shares: Mapping[str, float]) -> dict[str, Any]:
    unknown = split.levels.index(UNKNOWN) if UNKNOWN in split.levels else -1
    base = (split.codes >= 0) & (split.codes != unknown)
    levels: list[dict[str, Any]] = []
    statistic, df = 0.0, 0
    for level, target in shares.items():
        code = split.levels.index(level) if level in split.levels else -2
        share = proportion(rows, split.codes == code, base)
        levels.append({"level": level, "population": target, **_against(share, target)})
        if share.value is not None and target > 0 and share.n:
            effective = share.n / (share.deff or 1.0)
            statistic += effective * (share.value - target) ** 2 / target
            df += 1
    others = [
        split.levels[code]
        for code in split.occupied
        if split.levels[code] not in shares and code != unknown
    ]
    return {
        "attribute": split.name,
        "state": "computed",
        "levels": levels,
        "not_in_population": others,
        "statistic": statistic if df > 1 else None,
        "df": df - 1 if df > 1 else None,
        "p": float(chi2.sf(statistic, df - 1)) if df > 1 else None,
    }


def _against(share: Estimate, target: float) -> dict[str, Any]:
    if share.value is None or target <= 0:
        ratio = Estimate.undefined("the population has none, or the cohort no known value")
    else:
        limits = [
            None if x is None else float(np.divide(x, target)) for x in (share.low, share.high)
        ]
        ratio = Estimate(
            value=share.value / target,
            low=limits[0],
            high=limits[1],
            n=share.n,
            n_patients=share.n_patients,
            deff=share.deff,
            method="wilson, over a fixed population share",
        )
    return {"cohort": share.to_dict(), "ratio": ratio.to_dict()}
