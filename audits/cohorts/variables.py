"""Clinical variables: what the columns of a record mean."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from audits.cohorts.spec import did_you_mean
from audits.cohorts.tables import as_numbers, column, read_table, text_codes, unique_ids
from audits.errors import StudyError
from model_adapters.base import Feature

COLUMNS = (
    "name",
    "label",
    "unit",
    "low",
    "high",
    "code",
    "protected",
    "actionable",
    "description",
    "measured_at",
    "direction",
    "group",
)
DIRECTIONS: dict[str, Literal["up", "down"] | None] = {"up": "up", "down": "down", "": None}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


def read_variables(path: Path, cases: pd.DataFrame | None) -> tuple[Feature, ...]:
    """Read ``variables.csv`` and look up in the table how each variable is written.

    Args:
        path: CSV with one row per variable; ``name`` is its column in ``cases``.
        cases: The study's table; None for variables that are measured over time, all numbers.

    Raises:
        StudyError: If a column of the file is unknown, a variable is described twice or has no
            column, or a cell is not what it must be.
    """
    text = [name for name in COLUMNS if name not in ("low", "high")]
    table = read_table(path, text=text)
    for name in map(str, table.columns):
        if name not in COLUMNS:
            raise StudyError(
                f"{path}: the column {name!r} is not one of {', '.join(COLUMNS)}"
                f"{did_you_mean(name, COLUMNS)}; rename or remove it."
            )
    names = unique_ids(column(table, "name", str(path)), where=str(path), name="name")
    limits = {
        side: as_numbers(table[side], where=str(path), name=side, need="holds reference limits")
        for side in ("low", "high")
        if side in table
    }
    return tuple(
        _feature(name, row, table, limits, cases, str(path)) for row, name in enumerate(names)
    )


def measurement_columns(path: Path) -> dict[str, str]:
    """Return, for each variable of ``variables.csv``, the column that says when it was measured."""
    table = read_table(path, text=["name", "measured_at"])
    if "measured_at" not in table:
        return {}
    return {
        str(name): str(at).strip()
        for name, at in zip(table["name"], table["measured_at"], strict=True)
        if not pd.isna(at) and str(at).strip()
    }


def _feature(
    name: str,
    row: int,
    table: pd.DataFrame,
    limits: dict[str, npt.NDArray[np.float64]],
    cases: pd.DataFrame | None,
    where: str,
) -> Feature:
    values = None if cases is None else column(cases, name, f"{where}, row {row}")
    low, high = (_limit(limits.get(side), row) for side in ("low", "high"))
    numeric = values is None or is_numeric_dtype(values.dtype)
    return Feature(
        name=name,
        label=_text(table, row, "label") or name,
        kind="numeric" if numeric else "category",
        unit=_text(table, row, "unit"),
        code=_text(table, row, "code"),
        normal=None if low is None and high is None else (low, high),
        levels=() if values is None or numeric else _levels(values),
        protected=_flag(table, row, "protected", where),
        actionable=_flag(table, row, "actionable", where),
        direction=_direction(table, row, where),
        group=_text(table, row, "group"),
    )


def _levels(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted({text for text in text_codes(values)[2] if text.strip()}))


def _limit(values: npt.NDArray[np.float64] | None, row: int) -> float | None:
    if values is None or np.isnan(values[row]):
        return None
    return float(values[row])


def _text(table: pd.DataFrame, row: int, name: str) -> str | None:
    if name not in table or pd.isna(table[name].iloc[row]):
        return None
    return str(table[name].iloc[row]).strip() or None


def _direction(table: pd.DataFrame, row: int, where: str) -> Literal["up", "down"] | None:
    word = (_text(table, row, "direction") or "").casefold()
    if word not in DIRECTIONS:
        raise StudyError(
            f"{where}: direction in row {row} (counting from 0) must be up, down or empty for "
            f"both, found {word!r}; correct it."
        )
    return DIRECTIONS[word]


def _flag(table: pd.DataFrame, row: int, name: str, where: str) -> bool:
    word = (_text(table, row, name) or "").casefold()
    if word not in _WORDS:
        raise StudyError(
            f"{where}: {name} in row {row} (counting from 0) must be true or false, "
            f"found {word!r}; correct it."
        )
    return _WORDS[word]
