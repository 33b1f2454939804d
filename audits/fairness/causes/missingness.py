"""Who is missing: values by group, labels by group, and what the unknown could hide.

“Unknown” is a row of every table. How large a gap could be if the unknown were known is bounded
without any model (Manski 2003): give every unknown case to the side that stretches the gap most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audits.fairness.causes.influence import estimate, mean_over, patients_in
from audits.fairness.causes.rows import UNKNOWN, Column, Pair, Rows, Split, pairs_of
from audits.fairness.intervals import mover, wilson
from audits.fairness.rates import Z95
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.types import Estimate

_WORST = 3


def proportion(rows: Rows, hits: BoolArray, base: BoolArray) -> Estimate:
    """Return a share with a Wilson interval on the effective count of patients."""
    n, k = int(base.sum()), int((hits & base).sum())
    who = patients_in(rows, base) if rows.frame.named_patients else None
    if not n:
        return Estimate.undefined("no cases", n=0, n_patients=who)
    deff = _deff(rows, hits, base)
    low, high = wilson(k / n, n / deff, Z95)
    return Estimate(
        value=k / n,
        low=float(low),
        high=float(high),
        k=k,
        n=n,
        n_patients=who,
        deff=deff,
        method="wilson",
    )


def _deff(rows: Rows, hits: BoolArray, base: BoolArray) -> float:
    """Return the variance clustered by patient over that of independent rows, at least 1."""
    influence = mean_over(hits, base).influence
    by_patient = np.bincount(rows.frame.patient, influence, rows.frame.patients)
    plain = float(influence @ influence)
    return max(float(by_patient @ by_patient) / plain, 1.0) if plain > 0 else 1.0


def missing_values(rows: Rows, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return, per group, the mean share of clinical variables without a value.

    The three variables whose missing share differs most from the reference are named.
    """
    if not columns:
        return []
    absent = np.column_stack([column.missing[rows.frame.keep] for column in columns])
    share = absent.mean(axis=1)
    out = []
    for split in rows.splits:
        for pair in pairs_of(split):
            arms = [mean_over(share, side) for side in (pair.group, pair.other)]
            gap = absent[pair.group].mean(axis=0) - absent[pair.other].mean(axis=0)
            worst = np.argsort(-np.abs(gap), kind="stable")[:_WORST]
            out.append(
                {
                    **pair.named(),
                    "share": _mean(rows, share, pair.group).to_dict(),
                    "reference_share": _mean(rows, share, pair.other).to_dict(),
                    "difference": estimate(
                        rows,
                        arms[0].value - arms[1].value,
                        arms[0].influence - arms[1].influence,
                        pair.group | pair.other,
                        fewest=_fewest(rows, pair),
                        bounds=(-1.0, 1.0),
                    ).to_dict(),
                    "largest": [
                        {
                            "variable": columns[j].name,
                            "group": proportion(rows, absent[:, j], pair.group).to_dict(),
                            "reference": proportion(rows, absent[:, j], pair.other).to_dict(),
                        }
                        for j in worst.tolist()
                        if gap[j] != 0
                    ],
                }
            )
    return out


def _mean(rows: Rows, values: FloatArray, mask: BoolArray) -> Estimate:
    mean = mean_over(values, mask)
    return estimate(
        rows, mean.value, mean.influence, mask, fewest=patients_in(rows, mask), bounds=(0.0, 1.0)
    )


def _fewest(rows: Rows, pair: Pair) -> int:
    return min(patients_in(rows, pair.group), patients_in(rows, pair.other))


def missing_labels(
    splits: Sequence[tuple[str, tuple[str, ...], IntArray]], dropped: BoolArray
) -> list[dict[str, Any]]:
    """Return the share of cases without label or score in every group; rows, not patients.

    Args:
        splits: Name, levels and code of every case, before any is dropped.
        dropped: Cases that lack a label or a score, (n,).
    """
    out = []
    for name, levels, codes in splits:
        n = np.bincount(codes[codes >= 0], minlength=len(levels))
        k = np.bincount(codes[(codes >= 0) & dropped], minlength=len(levels))
        for level, total, lost in zip(levels, n.tolist(), k.tolist(), strict=True):
            if not total:
                continue
            low, high = wilson(lost / total, total, Z95)
            entry = Estimate(
                value=lost / total,
                low=float(low),
                high=float(high),
                k=int(lost),
                n=int(total),
                method="wilson",
            )
            out.append({"attributes": {name: level}, "missing": entry.to_dict()})
    return out


def unknown_groups(rows: Rows) -> list[dict[str, Any]]:
    """Return how many are unknown, whether they err more, and the bounds of every gap.

    Only attributes with unknown values are listed.
    """
    out = []
    for split in rows.splits:
        if UNKNOWN not in split.levels:
            continue
        unknown = split.codes == split.levels.index(UNKNOWN)
        known = (split.codes >= 0) & ~unknown
        if not unknown.any():
            continue
        entry: dict[str, Any] = {
            "attribute": split.name,
            "share": proportion(rows, unknown, unknown | known).to_dict(),
            "errors": [],
            "bounds": [],
        }
        if rows.called is not None:
            wrong = rows.called != rows.y
            entry["errors"] = [
                {
                    "metric": metric,
                    "unknown": proportion(rows, wrong, unknown & base).to_dict(),
                    "known": proportion(rows, wrong, known & base).to_dict(),
                    "difference": _difference(
                        rows, np.asarray(wrong), unknown & base, known & base
                    ).to_dict(),
                }
                for metric, base in (("fnr", rows.y), ("fpr", ~rows.y))
            ]
            entry["bounds"] = _bounds(rows, split, unknown, known)
        out.append(entry)
    return out


def _bounds(rows: Rows, split: Split, unknown: BoolArray, known: BoolArray) -> list[dict[str, Any]]:
    named = Split(
        name=split.name,
        levels=split.levels,
        codes=np.where(known, split.codes, -1),
        reference=split.reference if split.reference != UNKNOWN else "rest",
    )
    called = np.asarray(rows.called)
    return [
        {"metric": metric, **pair.named(), **gap_bounds(rows, called, base, pair, unknown)}
        for pair in pairs_of(named)
        for metric, base in (("tpr", rows.y), ("fpr", ~rows.y))
    ]


def gap_bounds(
    rows: Rows, called: BoolArray, base: BoolArray, pair: Pair, unknown: BoolArray
) -> dict[str, Any]:
    """Return the gap among the known, and its lowest and highest value whoever the unknown are.

    The gap is highest when every flagged unknown belongs to the group and every other one to
    the reference; lowest the other way round. Each limit carries its own interval.
    """
    flagged, quiet = unknown & called, unknown & ~called
    limits = {
        "known_only": (pair.group, pair.other),
        "lowest": (pair.group | quiet, pair.other | flagged),
        "highest": (pair.group | flagged, pair.other | quiet),
    }
    out: dict[str, Any] = {
        name: _difference(rows, called, base & mine, base & theirs)
        for name, (mine, theirs) in limits.items()
    }
    low, high = out["lowest"].value, out["highest"].value
    settled = low is not None and high is not None and (low > 0 or high < 0)
    return {name: value.to_dict() for name, value in out.items()} | {"sign_settled": settled}


def _difference(rows: Rows, called: BoolArray, mine: BoolArray, theirs: BoolArray) -> Estimate:
    n = int(mine.sum() + theirs.sum())
    group, other = proportion(rows, called, mine), proportion(rows, called, theirs)
    if group.value is None or other.value is None:
        return Estimate.undefined("one side has no such cases", n=n)
    low, high = mover((group.value, group.low, group.high), (other.value, other.low, other.high))
    return Estimate(
        value=group.value - other.value,
        low=float(low),
        high=float(high),
        n=n,
        method="newcombe on effective counts",
    )
