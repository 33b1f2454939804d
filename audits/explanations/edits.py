"""What of a case can be set to another value: variables of its table, last values over time.

A variable of a table has one value. Of a variable measured over time the last value inside the
window is set, at the hour at which it was measured; “not measured” takes all its measurements out
of the window. Pictures, recordings and texts have no value to set and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.backgrounds import as_array, audit_background
from audits.explanations.parts.windows import hours_since_epoch, window_start, window_values
from audits.explanations.plausible import Plausible, plausible_values
from audits.explanations.variables import described, plain_value

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.request import Request
    from model_adapters.base import Batch, Feature, Field

COHORT_ROWS = 1000
MEASURED_ROWS = 400
IMAGE_COHORT_ROWS = 60
"""With an image or a recording beside them, fewer patients are opened to know who is near whom."""

LAST = "last value"
Value = float | str | None
Changes = Mapping[str, Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Editable:
    """A variable that can be set.

    Attributes:
        name: Its study's name; with its input before it where two inputs have one of that name.
        field: The input.
        feature: The variable with the study's words.
    """

    name: str
    field: Field
    feature: Feature


def editables(request: Request) -> tuple[Editable, ...]:
    """Return the variables of a model that can be set.

    Raises:
        ExplanationError: If the model takes none.
    """
    out = tuple(_editables(request))
    if not out:
        found = ", ".join(f"{one.name} ({one.modality})" for one in request.adapter.inputs)
        raise ExplanationError(
            f"what-if: {request.adapter.card.key} takes {found or 'scores only'}, which has no "
            "variable to set; ask a model with a table or with measurements over time"
        )
    return out


def _editables(request: Request) -> Iterator[Editable]:
    known = {"table": "variables", "sequence": "measured"}
    taken = [one.name for field in request.adapter.inputs for one in field.features]
    for field in request.adapter.inputs:
        if field.modality not in known:
            continue
        for one in described(field, getattr(request.study, known[field.modality], ())):
            shared = taken.count(one.name) > 1
            name = f"{field.name}: {one.name}" if shared else one.name
            yield Editable(name=name, field=field, feature=one)


def plausible_of(request: Request) -> dict[str, Plausible]:
    """Return what each variable may be set to, by the study's audited cases.

    Raises:
        ExplanationError: If the model takes no variable, or the study has no table of its cases.
    """
    out: dict[str, Plausible] = {}
    measured: dict[str, pd.DataFrame] = {}
    for one in editables(request):
        if one.field.modality == "table":
            cohort = _table(request)
            found = plausible_values((one.feature,), cohort)[one.feature.name]
        else:
            if one.field.name not in measured:
                measured[one.field.name] = _measurements(request, one.field)
            held = measured[one.field.name]
            values = held.loc[held["variable"].astype(str) == one.feature.name, ["value"]]
            column = values.rename(columns={"value": one.feature.name})
            found = plausible_values((one.feature,), column)[one.feature.name]
            found = replace(found, label=f"{found.label}, {LAST}")
        out[one.name] = replace(found, name=one.name)
    return out


def _table(request: Request) -> pd.DataFrame:
    cohort: pd.DataFrame | None = getattr(request.study, "cases", None)
    if cohort is None:
        raise ExplanationError(
            f"what-if: study {request.study.name!r} has no table of its cases; give one"
        )
    return cohort


def _measurements(request: Request, field: Field) -> pd.DataFrame:
    """Return the measurements of up to 400 drawn cases, long: ten thousand values and more."""
    import pandas as pd

    tables: list[pd.DataFrame] = []
    order = np.random.default_rng(request.seed).permutation(len(request.study.case_ids))
    ids = [request.study.case_ids[place] for place in order[:MEASURED_ROWS]]
    raw, _, _ = request.study.raw_batch([field], ids)
    tables += raw[field.name]
    return pd.concat(tables, ignore_index=True)


def own_values(request: Request) -> dict[str, Value]:
    """Return the case's own value of every variable that can be set; None is not measured."""
    import pandas as pd

    out: dict[str, Value] = {}
    for one in editables(request):
        if one.field.modality == "table":
            value = request.raw[one.field.name].iloc[0][one.feature.name]
        else:
            table = request.raw[one.field.name][0]
            row = _last_row(request, one)
            value = None if row is None else table["value"].iloc[row]
        out[one.name] = None if value is None or pd.isna(value) else plain_value(value)
    return out


def changed(request: Request, changes: Sequence[Changes]) -> Batch:
    """Return the case once per set of changes, as the study would give it.

    Args:
        request: The case.
        changes: Name -> value, or None for “not measured”.

    Raises:
        ExplanationError: If a value over time is set of a variable that was not measured.
    """
    by_name = {one.name: one for one in editables(request)}
    out: dict[str, Any] = {}
    for field in request.adapter.inputs:
        own = {name for name, one in by_name.items() if one.field.name == field.name}
        value = request.raw[field.name]
        if field.modality == "table":
            out[field.name] = _changed_rows(value, changes, {n: by_name[n] for n in own})
        elif field.modality == "sequence":
            out[field.name] = [
                _changed_series(request, value[0], [(by_name[n], v) for n, v in one.items()
                                                    if n in own])
                for one in changes
            ]  # fmt: skip
        else:
            out[field.name] = [value[0]] * len(changes)
    return out


def _changed_rows(
    own: pd.DataFrame, changes: Sequence[Changes], known: Mapping[str, Editable]
) -> pd.DataFrame:
    import pandas as pd

    rows = pd.concat([own] * len(changes), ignore_index=True)
    for name in {name for one in changes for name in one if name in known}:
        column = known[name].feature.name
        values = [one.get(name, own[column].iloc[0]) for one in changes]
        number = rows[column].dtype.kind in "iufb"
        rows[column] = pd.Series(
            [np.nan if value is None else value for value in values],
            dtype=float if number else object,
        )
    return rows


def _changed_series(
    request: Request, table: pd.DataFrame, changes: Sequence[tuple[Editable, Value]]
) -> pd.DataFrame:
    out = table.copy()
    gone: list[int] = []
    for one, value in changes:
        inside = np.flatnonzero(_inside(one, table))
        if value is None:
            gone += inside.tolist()
            continue
        row = _last_row(request, one)
        if row is None:
            raise ExplanationError(
                f"what-if: {one.name} was not measured within the window of {one.field.name!r}, "
                "so it has no last value to change; set a variable that was measured"
            )
        values = out["value"].to_numpy(dtype=float, copy=True)
        values[row] = float(value)
        out["value"] = values
    return out.drop(out.index[gone]) if gone else out


def _last_row(request: Request, one: Editable) -> int | None:
    """Return the place of the last measurement of a variable inside the window."""
    table = request.raw[one.field.name][0]
    inside = np.flatnonzero(_inside(one, table))
    if not len(inside):
        return None
    unit = one.field.grid.unit if one.field.grid else 1.0
    hours = hours_since_epoch(table["time"], unit)[inside]
    return int(inside[np.flatnonzero(hours == hours.max())[-1]])


def _inside(one: Editable, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    mine = (table["variable"].astype(str) == one.feature.name) & table["value"].notna()
    grid = one.field.grid
    if grid is None:
        return mine.to_numpy(dtype=bool)
    hours = hours_since_epoch(table["time"], grid.unit) - window_start(one.field, table)
    edge = hours <= grid.hours if grid.clock == "until_last" else hours < grid.hours
    return np.asarray(mine.to_numpy(dtype=bool) & (hours >= 0) & edge)


def scores_of(request: Request, raw: Batch) -> Floats:
    """Return the model's output for changed cases, (n, outputs)."""
    return request.adapter.predict(request.adapter.prepare(raw))


def numbers_of(request: Request, prepared: Mapping[str, Any]) -> Floats:
    """Return what of some cases is compared with the cohort, (n, columns).

    The encoded table, and the last value of every variable over time.
    """
    parts = []
    for field in request.adapter.inputs:
        if field.modality == "table":
            parts.append(as_array(prepared[field.name]).astype(float))
        elif field.modality == "sequence":
            grid = as_array(prepared[field.name])
            parts.append(window_values(grid, ((0, grid.shape[1]),))[:, :, 0].astype(float))
    return np.concatenate(parts, axis=1)


def cohort_numbers(request: Request) -> Floats:
    """Return the same of up to a thousand audited cases, fewer where images must be opened."""
    modalities = {one.modality for one in request.adapter.inputs}
    rows = IMAGE_COHORT_ROWS if modalities & {"image", "signal"} else COHORT_ROWS
    cohort = audit_background(request.study, request.adapter, rows=rows, seed=request.seed)
    return numbers_of(request, cohort.prepared)
