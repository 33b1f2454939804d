"""Players of a sequence: variables, their windows of time, and parts of windows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import as_array
from audits.explanations.parts.layout import Layout, Player
from audits.explanations.variables import NOT_MEASURED, described, plain_value

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.request import Request
    from model_adapters.base import Feature, Field

WINDOWS = 4
PARTS = 3

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How the steps of a sequence are cut.

    Attributes:
        step: Hours of one step.
        windows: (first step, behind-last step) of each window.
        parts: The same of each part; parts of a window lie side by side.
        window_of_part: Which window a part lies in.
    """

    step: float
    windows: tuple[tuple[int, int], ...]
    parts: tuple[tuple[int, int], ...]
    window_of_part: tuple[int, ...]

    def hours(self, span: tuple[int, int]) -> tuple[float, float]:
        """Return hours since the start of a stretch of steps."""
        return span[0] * self.step, span[1] * self.step

    def words(self, span: tuple[int, int]) -> str:
        """Return a stretch in words: ``18-24 h``."""
        start, end = self.hours(span)
        return f"{start:g}\u2013{end:g} h"


def cut(field: Field, *, fine: bool) -> Windows:
    """Cut a sequence into up to four windows and, if asked, each of them into up to three parts."""
    steps = int(field.shape[0] or 1)
    step = field.grid.step if field.grid else 1.0
    windows = _pieces(0, steps, WINDOWS)
    parts, owner = [], []
    for at, (start, end) in enumerate(windows):
        inner = _pieces(start, end, PARTS) if fine else [(start, end)]
        parts += inner
        owner += [at] * len(inner)
    return Windows(
        step=step, windows=tuple(windows), parts=tuple(parts), window_of_part=tuple(owner)
    )


def sequence_layout(
    request: Request, field: Field, features: tuple[Feature, ...], windows: Windows, background: Any
) -> Layout:
    """Return the players of a sequence: every variable in every part.

    Levels are the variable and the window; with one part per window the windows are the players.
    """
    steps, variables = int(field.shape[0] or 1), len(features)
    parts, whole = len(windows.parts), len(windows.windows)
    part_of_step = np.zeros(steps, dtype=np.int64)
    for at, (start, end) in enumerate(windows.parts):
        part_of_step[start:end] = at
    owners = (np.arange(variables)[None] * parts + part_of_step[:, None])[..., None]
    values = window_values(as_array(request.prepared[field.name]), windows.parts)[0]
    players = tuple(
        variable_player(feature, values[place, at], name=_name(feature.name, windows, span),
                        where=windows.words(span))
        for place, feature in enumerate(features)
        for at, span in enumerate(windows.parts)
    )  # fmt: skip
    variable = np.repeat(np.arange(variables), parts)
    window = variable * whole + np.tile(np.array(windows.window_of_part), variables)
    levels = (variable,) if parts == whole else (variable, window)
    return Layout(
        field=field.name, owners=owners, players=players, levels=levels, background=background
    )


def variable_player(
    feature: Feature, value: float, *, name: str | None = None, where: str | None = None
) -> Player:
    """Return a player for a variable, or for one of its stretches of time."""
    low, high = feature.normal or (None, None)
    return Player(
        name=name or feature.name,
        label=feature.label + (f", {where}" if where else ""),
        value=NOT_MEASURED if np.isnan(value) else plain_value(np.float32(value)),
        unit=feature.unit,
        low=low,
        high=high,
        code=feature.code,
    )


def hours_since_epoch(time: pd.Series[Any], unit: float) -> npt.NDArray[np.float64]:
    """Return times in hours: numbers times their unit, dates since 1970."""
    if time.dtype.kind == "M":
        return time.to_numpy("datetime64[ns]").astype(np.int64).astype(np.float64) / 3.6e12
    return time.to_numpy(dtype=np.float64) * unit


def window_start(field: Field, table: pd.DataFrame) -> float:
    """Return the hour at which a case's window begins, on the clock of its times."""
    grid = field.grid
    if grid is None or grid.clock == "hours":
        return grid.start if grid else 0.0
    names = {feature.name for feature in field.features}
    used = table["variable"].astype(str).isin(names) & table["value"].notna()
    hours = hours_since_epoch(table.loc[used, "time"], grid.unit)
    if not len(hours):
        return 0.0
    if grid.clock == "since_first":
        return float(hours.min() + grid.start)
    return float(hours.max() - grid.hours)


def sequence_variables(request: Request, field: Field) -> tuple[Feature, ...]:
    """Return the sequence's variables with the study's words, units and ranges."""
    return described(field, getattr(request.study, "measured", ()))


def window_values(grid: Floats, spans: tuple[tuple[int, int], ...]) -> Floats:
    """Return the last value in each stretch, (n, variables, stretches); NaN where none is."""
    values = grid[..., 0]
    out = np.full((len(grid), values.shape[2], len(spans)), np.nan, dtype=values.dtype)
    for at, (start, end) in enumerate(spans):
        for step in range(start, end):
            here = values[:, step]
            out[:, :, at] = np.where(np.isnan(here), out[:, :, at], here)
    return out


def _name(variable: str, windows: Windows, span: tuple[int, int]) -> str:
    start, end = windows.hours(span)
    return f"{variable}@{start:g}-{end:g}h"


def _pieces(start: int, end: int, most: int) -> list[tuple[int, int]]:
    count = max(1, min(most, end - start))
    edges = np.linspace(start, end, count + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]
