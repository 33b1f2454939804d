"""Measurements over time: one long table, one row per measurement."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from audits.cohorts.tables import as_numbers, as_text, column, read_table


class SequenceTable:
    """The measurements of a study, by case.

    Args:
        path: Table with the id column, ``time`` (a number or a date), ``variable`` and ``value``.
        id_column: Name of the id column.

    Raises:
        StudyError: If the table or one of its columns is missing or unreadable.
    """

    def __init__(self, path: Path, id_column: str) -> None:
        where = str(path)
        frame = read_table(path, text=(id_column, "variable"))
        time = column(frame, "time", where)
        if not is_datetime64_any_dtype(time):
            time = pd.Series(as_numbers(time, where=where, name="time", need="holds times"))
        value = column(frame, "value", where)
        tidy = pd.DataFrame(
            {
                "case": as_text(column(frame, id_column, where))[0],
                "time": time.to_numpy(),
                "variable": as_text(column(frame, "variable", where))[0],
                "value": as_numbers(value, where=where, name="value", need="holds measurements"),
            }
        ).sort_values(["case", "time", "variable"], kind="stable", ignore_index=True)
        case = tidy.pop("case").to_numpy()
        starts = np.flatnonzero(np.append(True, case[1:] != case[:-1]))[: len(case)]
        self._rows = tidy
        self._span = dict(
            zip(map(str, case[starts]), pairwise([*starts.tolist(), len(case)]), strict=True)
        )

    @property
    def variables(self) -> frozenset[str]:
        """Return the variables that are measured in any case."""
        return frozenset(map(str, self._rows["variable"].unique()))

    def of(self, case_id: str) -> pd.DataFrame:
        """Return ``time``, ``variable`` and ``value`` of one case by rising time; may be empty."""
        first, behind = self._span.get(case_id, (0, 0))
        return self._rows.iloc[first:behind].reset_index(drop=True)
