"""Interpretable conditions: a level, a range of a variable, or that it was not measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audits.fairness.causes.rows import Column, Split
from audits.fairness.types import BoolArray, FloatArray

_QUARTERS = (0.25, 0.5, 0.75)
_FEW_VALUES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition on one variable.

    Attributes:
        variable: The variable's name; a slice uses each variable once.
        text: The condition as people read it.
        mask: Rows that meet it, (n,).
    """

    variable: str
    text: str
    mask: BoolArray


def conditions_of(
    splits: Sequence[Split], columns: Sequence[Column], keep: BoolArray, learn: BoolArray
) -> list[Condition]:
    """Return every condition that slices may be made of.

    Cuts of numeric variables are the quartiles of the learning half, rounded to what is printed,
    and the reference range where the variable has one.

    Args:
        splits: Declared attributes on the usable rows.
        columns: Clinical variables on all rows.
        keep: Usable rows of ``columns``.
        learn: Usable rows of the half on which slices are sought.
    """
    known = {split.name for split in splits}
    out = [
        Condition(
            variable=split.name,
            text=f"{split.name} = {split.levels[code]}",
            mask=split.codes == code,
        )
        for split in splits
        for code in split.occupied
    ]
    for column in columns:
        if column.name in known:
            continue
        made = _levels(column, keep) if column.levels else _ranges(column, keep, learn)
        missing = column.missing[keep]
        if missing.any():
            made.append(
                Condition(variable=column.name, text=f"{column.name} not measured", mask=missing)
            )
        out += made
    return out


def _levels(column: Column, keep: BoolArray) -> list[Condition]:
    values = column.values[keep]
    return [
        Condition(variable=column.name, text=f"{column.name} = {level}", mask=values == code)
        for code, level in enumerate(column.levels)
    ]


def _ranges(column: Column, keep: BoolArray, learn: BoolArray) -> list[Condition]:
    values = np.asarray(column.values[keep], dtype=np.float64)
    sample = values[learn & ~np.isnan(values)]
    if not len(sample):
        return []
    distinct = np.unique(sample)
    if len(distinct) <= _FEW_VALUES:
        return [
            Condition(variable=column.name, text=f"{column.name} = {value:g}", mask=values == value)
            for value in distinct
        ]
    cuts = sorted({_rounded(float(cut)) for cut in np.quantile(sample, _QUARTERS)})
    named = {f"{column.name} < {cut:g}": values < cut for cut in cuts}
    named |= {f"{column.name} >= {cut:g}": values >= cut for cut in cuts}
    named |= {
        f"{low:g} <= {column.name} < {high:g}": (values >= low) & (values < high)
        for low, high in itertools.pairwise(cuts)
    }
    low, high = column.normal or (None, None)
    if low is not None:
        named[f"{column.name} < {low:g}"] = values < low
    if high is not None:
        named[f"{column.name} > {high:g}"] = values > high
    return [Condition(variable=column.name, text=text, mask=mask) for text, mask in named.items()]


def _rounded(value: float) -> float:
    """Return the value to three significant digits: what is printed is what is applied."""
    return float(f"{value:.3g}")


def as_matrix(conditions: Sequence[Condition], rows: BoolArray) -> FloatArray:
    """Return the conditions on some rows as 0 and 1, (rows, conditions), float32 for speed."""
    if not conditions:
        return np.zeros((int(rows.sum()), 0), dtype=np.float32)
    stacked = np.column_stack([condition.mask[rows] for condition in conditions])
    return stacked.astype(np.float32)
