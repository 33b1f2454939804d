"""Irregular measurements: onto a grid of steps that keeps each one's hour, then to channels.

Two stages, so that an explanation can exchange measurements: :func:`prepare_sequences` gives the
measurements of every step and variable (missing where there is none), and
:func:`encode_sequences` carries values forward and counts the hours since, which is part of the
function that is explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Feature, TimeGrid
from model_adapters.errors import AdapterError
from model_adapters.schema_time import SequenceInput

if TYPE_CHECKING:
    import pandas as pd
    import torch

HOURS_OF = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}
_COLUMNS = ("time", "variable", "value")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def sequence_features(spec: SequenceInput) -> tuple[Feature, ...]:
    """Return one feature per variable; its column is its place on the grid's second axis."""
    return tuple(
        Feature(name=name, label=name, columns=(at,)) for at, name in enumerate(spec.names)
    )


def time_grid(spec: SequenceInput) -> TimeGrid:
    """Return the grid a sequence is read on."""
    return TimeGrid(
        hours=spec.hours,
        step=spec.step,
        start=spec.start,
        clock=spec.clock,
        unit=HOURS_OF[spec.time_unit],
    )


def prepare_sequences(
    name: str, spec: SequenceInput, sequences: Sequence[pd.DataFrame]
) -> torch.Tensor:
    """Place measurements on the grid.

    Args:
        name: The input's name, for messages.
        spec: Its declaration.
        sequences: n tables with ``time``, ``variable`` and ``value``, one row per measurement;
            variables the model does not know and hours outside its window are left out.

    Returns:
        float32 (n, steps, variables, 2): the value in the study's unit and its hour since the
        window's start; NaN where nothing was measured. A case without measurements is all NaN.

    Raises:
        AdapterError: If a column is missing or not numeric, or dates are given to a clock that
            counts from no date.
    """
    import torch

    grid = np.full((len(sequences), spec.steps, len(spec.variables), 2), np.nan, dtype=np.float32)
    case, hour, variable, value = _measurements(name, spec, sequences)
    order = np.lexsort((hour, case))
    case, hour, variable, value = case[order], hour[order], variable[order], value[order]
    step = np.minimum((hour / spec.step).astype(np.int64), spec.steps - 1)
    if spec.keep == "mean":
        value = _cell_means((case * spec.steps + step) * len(spec.variables) + variable, value)
    grid[case, step, variable, 0] = value  # of several in a cell the last one stays
    grid[case, step, variable, 1] = hour
    return torch.from_numpy(grid)


def encode_sequences(spec: SequenceInput, grid: torch.Tensor) -> torch.Tensor:
    """Return the declared channels of prepared sequences, differentiable in the values.

    Args:
        spec: The input's declaration.
        grid: What :func:`prepare_sequences` returned, on any device.

    Returns:
        float32 (n, steps, width), channels as :class:`~model_adapters.schema_time.SequenceInput`
        describes them.
    """
    import torch

    value, hour = grid[..., 0], grid[..., 1]
    measured = ~torch.isnan(value)
    steps = torch.arange(spec.steps, device=grid.device)[None, :, None]
    latest = torch.where(measured, steps, -1).cummax(dim=1).values  # noqa: PD011 - a tensor's
    known, at = latest >= 0, latest.clamp(min=0)
    held = torch.gather(torch.where(measured, value, 0.0), 1, at)
    taken = torch.gather(torch.where(measured, hour, 0.0), 1, at)
    ends = (steps + 1) * spec.step
    parts = {
        "value": _standardised(spec, held, known),
        "measured": measured.to(grid.dtype),
        "since": torch.where(known, (ends - taken).clamp(min=0.0) / spec.hours, 1.0),
        "hour": _last_hour(hour, measured, ends) / spec.hours,
    }
    return torch.cat([parts[channel] for channel in spec.channels], dim=2).to(torch.float32)


def _standardised(spec: SequenceInput, held: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    import torch

    def row(values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=held.dtype, device=held.device)

    low = row([v.clip[0] if v.clip else -torch.inf for v in spec.variables])
    high = row([v.clip[1] if v.clip else torch.inf for v in spec.variables])
    before = row([v.mean if v.impute is None else v.impute for v in spec.variables])
    values = torch.where(known, torch.minimum(torch.maximum(held, low), high), before)
    return (values - row([v.mean for v in spec.variables])) / row([v.std for v in spec.variables])


def _last_hour(hour: torch.Tensor, measured: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    import torch

    last = torch.where(measured, hour, -torch.inf).amax(dim=2, keepdim=True)
    return torch.where(measured.any(dim=2, keepdim=True), last, ends.to(hour.dtype))


def _measurements(
    name: str, spec: SequenceInput, sequences: Sequence[pd.DataFrame]
) -> tuple[Ints, Floats, Ints, Floats]:
    """Return case, hour since the window's start, variable and value of what the model reads."""
    place = {variable: at for at, variable in enumerate(spec.names)}
    parts: list[tuple[Ints, Floats, Ints, Floats]] = []
    for case, table in enumerate(sequences):
        absent = [column for column in _COLUMNS if column not in table.columns]
        if absent:
            msg = (
                f"inputs.{name}: a sequence has no column {absent[0]!r}, found "
                f"{[str(c) for c in table.columns][:6]}; give time, variable and value."
            )
            raise AdapterError(msg)
        variable = np.array([place.get(str(v), -1) for v in table["variable"]], dtype=np.int64)
        value = _numbers(name, "value", table["value"])
        used = (variable >= 0) & np.isfinite(value)
        hour = _hours(name, spec, table["time"], used)
        used &= (hour >= 0) & ((hour < spec.hours) | (spec.clock == "until_last"))
        parts.append((np.full(int(used.sum()), case), hour[used], variable[used], value[used]))
    if not parts:
        empty = np.zeros(0)
        return empty.astype(np.int64), empty, empty.astype(np.int64), empty
    case_ids, hours, variables, values = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return case_ids, hours, variables, values


def _hours(
    name: str, spec: SequenceInput, time: pd.Series[Any], used: npt.NDArray[np.bool_]
) -> Floats:
    """Return hours since the window's start; NaN where a time is missing."""
    if time.dtype.kind == "M":
        if spec.clock == "hours":
            msg = (
                f'inputs.{name}: the times are dates, but clock = "hours" counts from no date; '
                'declare clock = "since_first" or "until_last", or give hours.'
            )
            raise AdapterError(msg)
        nanoseconds = time.to_numpy("datetime64[ns]").astype(np.int64).astype(np.float64)
        hours = np.where(time.isna().to_numpy(), np.nan, nanoseconds / 3.6e12)
    else:
        hours = _numbers(name, "time", time) * HOURS_OF[spec.time_unit]
    known = hours[used & np.isfinite(hours)]
    if spec.clock == "hours" or not known.size:
        return np.asarray(hours - spec.start)
    origin = known.min() if spec.clock == "since_first" else known.max() - spec.hours
    return np.asarray(hours - origin - (spec.start if spec.clock == "since_first" else 0.0))


def _numbers(name: str, column: str, values: pd.Series[Any]) -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = int((np.isnan(numbers) & values.notna().to_numpy()).sum())
    if text:
        msg = (
            f"inputs.{name}: {column} must be numeric, found {text} of {len(values)} that are no "
            "numbers; clean the column."
        )
        raise AdapterError(msg)
    return np.asarray(numbers)


def _cell_means(cell: Ints, value: Floats) -> Floats:
    """Return for every measurement the mean of those in its cell."""
    _, member = np.unique(cell, return_inverse=True)
    return np.asarray((np.bincount(member, value) / np.bincount(member))[member])
