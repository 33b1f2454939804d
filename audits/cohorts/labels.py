"""Labels: what is true of a case, read without guessing what a value means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.spec import LabelTask, Positive
from audits.cohorts.tables import as_numbers, column, text_codes, value_text
from audits.errors import StudyError
from audits.types import Finding

MISSING = -1
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelColumn:
    """One label of every case.

    Attributes:
        name: What the study calls it; models' outputs are joined to it by name.
        column: Column it was read from.
        positive: Value that counts as positive.
        task: How the column is read.
        values: int8 (n,): 1 positive, 0 not, -1 missing; for numbers 0 where there is one.
        target: float64 (n,), NaN where missing, for ``ordinal`` and ``regression``; else None.
    """

    name: str
    column: str
    positive: Positive
    task: LabelTask
    values: npt.NDArray[np.int8]
    target: npt.NDArray[np.float64] | None = None

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Where the label is there (n,)."""
        return np.asarray(self.values != MISSING)


def read_label(
    name: str,
    frame: pd.DataFrame,
    *,
    column_name: str,
    positive: Positive = 1,
    task: LabelTask = "binary",
    where: str,
) -> tuple[LabelColumn, tuple[Finding, ...]]:
    """Read a label out of a table.

    Raises:
        StudyError: If the column is missing, or a binary label has a third value.
    """
    values = column(frame, column_name, where)
    if task in ("ordinal", "regression"):
        target = as_numbers(values, where=where, name=column_name, need=f"is a {task} label")
        known = np.where(np.isnan(target), MISSING, 0).astype(np.int8)
        label = LabelColumn(
            name=name, column=column_name, positive=positive, task=task, values=known, target=target
        )
        return label, ()
    if task == "segmentation":
        there = np.where(text_codes(values)[0] < 0, MISSING, 0).astype(np.int8)
        named = LabelColumn(
            name=name, column=column_name, positive=positive, task=task, values=there
        )
        return named, ()
    codes, distinct, texts = text_codes(values)
    keys = [_key(value, text) for value, text in zip(distinct, texts, strict=True)]
    wanted = _key(positive, value_text(positive))
    present = {keys[code] for code in np.unique(codes[codes >= 0])}
    two = task in ("binary", "survival", "detection")
    if two and len(present | {wanted}) > 2:  # noqa: PLR2004 - two values are binary
        _refuse(where, column_name, positive, wanted, present)
    table = np.array([*(key == wanted for key in keys), MISSING], dtype=np.int8)
    label = LabelColumn(
        name=name, column=column_name, positive=positive, task=task, values=table[codes]
    )
    return label, _one_sided(label, wanted, present)


def _key(value: object, text: str) -> str:
    """Make 1, 1.0, True and "1" the same value."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if text.casefold() in ("true", "false"):
        return str(int(text.casefold() == "true"))
    try:
        return value_text(float(text))
    except (ValueError, OverflowError):
        return text


def _refuse(
    where: str, column_name: str, positive: Positive, wanted: str, present: set[str]
) -> None:
    shown = ", ".join(sorted(present)[:_SHOWN]) + (", …" if len(present) > _SHOWN else "")
    if wanted in present:
        raise StudyError(
            f"{where}: the label column {column_name!r} must hold two values, found "
            f"{len(present)} ({shown}); join them into two, or give a column per finding."
        )
    raise StudyError(
        f"{where}: the label column {column_name!r} never holds the positive value {positive!r}, "
        f"found {shown}; say which of these is positive."
    )


def _one_sided(label: LabelColumn, wanted: str, present: set[str]) -> tuple[Finding, ...]:
    if not present or present == {wanted}:
        what = "no value" if not present else "no case that is negative"
    elif wanted not in present:
        what = "no case that is positive"
    else:
        return ()
    return (
        Finding(
            severity="warning",
            where=f"labels.{label.name}",
            message=f"The column {label.column!r} has {what}, so most metrics are undefined.",
        ),
    )
