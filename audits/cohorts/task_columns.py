"""Columns that further tasks read beside labels and scores: times, weights, measurements, stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.tables import as_numbers, column, text_codes
from audits.errors import StudyError
from audits.types import Finding

Numbers = npt.NDArray[np.float64]
MEASURES = ("dice", "hd95")
"""Per-case measurements of a segmentation that a table may bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayNames:
    """Which columns say that predictions repeat during a stay.

    Attributes:
        stay: Column of the stay.
        at: Column of the time of the prediction.
        event: Column of the time of the stay's event, empty where there was none.
        window: How long before the event an alarm counts as its warning.
        silence: How long an alarm silences later ones.
        unit: Unit of the times: ``h`` (default), ``min`` or ``d``.
    """

    stay: str
    at: str
    event: str
    window: float
    silence: float = 0.0
    unit: str = "h"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNames:
    """Which columns of a table further tasks read; None where one is not there.

    Attributes:
        time: Time to the event or the end of follow-up.
        weight: Weight of each row.
        measures: Metric -> column, for a segmentation.
        image: Image that a mark lies in, for a detection.
        stays: Repeated predictions.
        acquired: When a case is from, for prevalence by month.
        site: Where it is from, for prevalence by site.
    """

    time: str | None = None
    weight: str | None = None
    measures: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    stays: StayNames | None = None
    acquired: str | None = None
    site: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is named."""
        stays = () if self.stays is None else (self.stays.stay, self.stays.at, self.stays.event)
        named = (self.time, self.weight, *self.measures.values(), self.image, *stays)
        named += (self.acquired, self.site)
        return tuple(name for name in named if name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskColumns:
    """The values of these columns, aligned to the rows of the table.

    Attributes:
        time: NaN where missing, (n,).
        weight: NaN where missing, (n,).
        measures: Metric -> values, NaN where undefined, (n,).
        image: Image codes from 0, (n,).
        stay: Stay codes from 0; -1 where missing, (n,).
        at: Time of each prediction, NaN where missing, (n,).
        event_at: Time of the stay's event, NaN where there was none, (n,).
    """

    time: Numbers | None = None
    weight: Numbers | None = None
    measures: Mapping[str, Numbers] = field(default_factory=dict)
    image: npt.NDArray[np.int64] | None = None
    stay: npt.NDArray[np.int64] | None = None
    at: Numbers | None = None
    event_at: Numbers | None = None


def read_task_columns(
    frame: pd.DataFrame, names: TaskNames, where: str
) -> tuple[TaskColumns, tuple[Finding, ...]]:
    """Read the columns that further tasks need.

    Raises:
        StudyError: If one is missing, or holds what cannot be meant: a negative time or weight, an
            overlap outside [0, 1], weights that sum to nothing.
    """
    weight, findings = (
        (None, ()) if names.weight is None else read_weights(frame, names.weight, where)
    )
    stays = names.stays
    columns = TaskColumns(
        time=None if names.time is None else _amounts(frame, names.time, where, "is a time"),
        weight=weight,
        measures={m: _measure(frame, m, name, where) for m, name in names.measures.items()},
        image=None if names.image is None else _codes(frame, names.image, where),
        stay=None if stays is None else _codes(frame, stays.stay, where),
        at=None if stays is None else _numbers(frame, stays.at, where, "is a time"),
        event_at=None if stays is None else _numbers(frame, stays.event, where, "is a time"),
    )
    return columns, findings


def read_weights(frame: pd.DataFrame, name: str, where: str) -> tuple[Numbers, tuple[Finding, ...]]:
    """Read the weights of the rows.

    Rows with a missing weight are skipped by name; rows of weight 0 stand for nobody and are
    counted in a finding.

    Raises:
        StudyError: If a weight is negative or infinite, or all of them sum to nothing.
    """
    weight = _amounts(frame, name, where, "holds weights")
    if not np.nansum(weight) > 0:
        raise StudyError(
            f"{where}: the weights in {name!r} sum to 0, so they stand for nobody; give each row "
            "the number of cases that it stands for."
        )
    findings = []
    idle = int((weight == 0).sum())
    if idle:
        findings.append(f"{idle:,} rows have the weight 0 and stand for nobody; they are left out.")
    known = weight[np.isfinite(weight) & (weight > 0)]
    worth = float(known.sum()) ** 2 / float(known @ known)
    findings.append(
        f"Estimates are weighted by {name!r}: {len(known):,} rows are worth {worth:,.0f} equally "
        "weighted ones (Kish). Counts are those of the rows."
    )
    return weight, tuple(Finding(severity="info", where="weights", message=m) for m in findings)


def _amounts(frame: pd.DataFrame, name: str, where: str, need: str) -> Numbers:
    values = _numbers(frame, name, where, need)
    bad = np.flatnonzero((values < 0) | np.isinf(values))
    if bad.size:
        raise StudyError(
            f"{where}: the column {name!r} {need}, found {bad.size:,} cells that are negative or "
            f"infinite, first in row {bad[0]} (counting from 0); correct them."
        )
    return values


def _measure(frame: pd.DataFrame, metric: str, name: str, where: str) -> Numbers:
    values = _numbers(frame, name, where, f"holds {metric}")
    top = 1.0 if metric == "dice" else np.inf
    values = np.where(np.isinf(values), np.nan, values)
    bad = np.flatnonzero((values < 0) | (values > top))
    if bad.size:
        extent = "outside [0, 1]" if metric == "dice" else "below 0"
        raise StudyError(
            f"{where}: the column {name!r} holds {metric}, found {bad.size:,} values {extent}, "
            f"first in row {bad[0]} (counting from 0); correct them or name another column."
        )
    return values


def _numbers(frame: pd.DataFrame, name: str, where: str, need: str) -> Numbers:
    return as_numbers(column(frame, name, where), where=where, name=name, need=need)


def _codes(frame: pd.DataFrame, name: str, where: str) -> npt.NDArray[np.int64]:
    return text_codes(column(frame, name, where))[0]


def missing_reasons(
    names: TaskNames, columns: TaskColumns
) -> Sequence[tuple[str, npt.NDArray[np.bool_]]]:
    """Return what else a row may lack, in words, and which rows lack it."""
    found = []
    if columns.time is not None:
        found.append((f"time {names.time!r}", np.isnan(columns.time)))
    if columns.weight is not None:
        found.append((f"weight {names.weight!r}", np.isnan(columns.weight)))
    return found
