"""What changed since an earlier prediction: the difference of two scores, by new measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audits.errors import ExplanationError
from audits.explanations.backgrounds import as_array
from audits.explanations.parts.evidence import Change, NewMeasurements
from audits.explanations.parts.layout import ROWS_PER_CALL
from audits.explanations.request import Request, open_request
from audits.explanations.shapley import FieldsGame, Stop, shapley_values

if TYPE_CHECKING:
    from audits.explanations.backgrounds import CaseSource
    from model_adapters.base import Feature, Field, ModelAdapter

_STOP = Stop(relative=0.02, absolute=0.0, min_cycles=20, max_cycles=200, seconds=3.0)


def change_of_case(
    study: CaseSource, adapter: ModelAdapter, case: str, *, output: str, hours: float
) -> Change | None:
    """Return what changed in one case of a model with a sequence; see :func:`change_since`.

    Args:
        study: An opened study.
        adapter: A loaded model.
        case: Case id.
        output: Name of an output.
        hours: How much earlier the first prediction is.

    Raises:
        ExplanationError: If there is no such case or output.
    """
    from audits.explanations.parts.windows import sequence_variables

    request = open_request(study, adapter, case, output=output)
    field = next((one for one in adapter.inputs if one.modality == "sequence"), None)
    if field is None:
        return None
    return change_since(request, field, sequence_variables(request, field), hours)


def change_since(
    request: Request, field: Field, features: tuple[Feature, ...], hours: float | None = None
) -> Change | None:
    """Attribute the change of the score to the variables measured since.

    The game has one background row, the case itself as it was known ``hours`` earlier, so that
    its effects add up to the difference of the two predictions.

    Args:
        request: The case.
        field: The sequence.
        features: Its variables.
        hours: How much earlier; default a quarter of the window.

    Returns:
        The change, or None where nothing new was measured.

    Raises:
        ExplanationError: If ``hours`` is not inside the window.
    """
    grid = field.grid
    if grid is None:
        return None
    since = grid.hours / 4 if hours is None else hours
    if not 0 < since < grid.hours:
        raise ExplanationError(
            f"since: expected hours between 0 and {grid.hours:g}, the length of the window of "
            f"{field.name!r}, found {since:g}; give fewer hours"
        )
    now = request.prepared[field.name]
    before = earlier(now, field, since)
    fresh = _new_measurements(as_array(now)[0], grid.hours - since)
    moved = [at for at in range(len(features)) if not _same(now, before, at)]
    if not moved or not fresh.any():
        return None
    owners = np.zeros((1, len(features), 1), dtype=np.int64)
    owners[0, moved, 0] = np.arange(len(moved))
    game = FieldsGame(
        predict=request.predict,
        cases=request.prepared,
        background={field.name: before},
        player_of_cell={field.name: owners},
        players=len(moved),
        rows_per_call=ROWS_PER_CALL,
    )
    estimate = shapley_values(game, seed=request.seed, stop=_STOP)
    return Change(
        hours=since,
        before=float(estimate.base[request.index]),
        now=float(estimate.scores[0, request.index]),
        players=tuple(
            NewMeasurements(
                variable=features[at].name,
                label=features[at].label,
                measured=int(fresh[at]),
                effect=float(estimate.effects[0, place, request.index]),
                was=_last(before, at),
                value=_last(now, at),
                unit=features[at].unit,
            )
            for place, at in enumerate(moved)
        ),
        exact=estimate.exact,
    )


def known_by(request: Request, field: Field) -> tuple[tuple[float, float], ...]:
    """Return (hour, score) at the end of every step, with what was measured by then."""
    if field.grid is None:
        return ()
    now = request.prepared[field.name]
    steps = int(now.shape[1])
    rows: list[Any] = [
        earlier(now, field, (steps - 1 - step) * field.grid.step) for step in range(steps)
    ]
    batch = {
        name: _repeated(value, steps)
        for name, value in request.prepared.items()
        if name != field.name
    }
    batch[field.name] = _stacked(rows)
    scores = request.predict(batch)[:, request.index]
    return tuple(((step + 1) * field.grid.step, float(score)) for step, score in enumerate(scores))


def earlier(now: Any, field: Field, hours: float) -> Any:
    """Return a prepared sequence as it was known some hours earlier.

    On a clock that ends with the last measurement the window moves along, so that what is known
    lies later in it; on any other clock the last hours are empty.
    """
    out = now.copy() if isinstance(now, np.ndarray) else now.clone()
    if field.grid is None or hours <= 0:
        return out
    steps = int(out.shape[1])
    gone = min(steps, round(hours / field.grid.step))
    if not gone:
        return out
    if field.grid.clock == "until_last":
        out[:, gone:] = now[:, : steps - gone]
        out[:, gone:, :, 1] += gone * field.grid.step
        out[:, :gone] = float("nan")
    else:
        out[:, steps - gone :] = float("nan")
    return out


def _new_measurements(grid: Any, from_hour: float) -> Any:
    """Return how many measurements of each variable are newer than an hour, (variables,)."""
    hours = grid[..., 1]
    return (np.isfinite(hours) & (hours >= from_hour)).sum(axis=0)


def _last(grid: Any, variable: int) -> float | None:
    """Return the last value of a variable that the model knows, or None."""
    values = as_array(grid)[0, :, variable, 0]
    known = values[np.isfinite(values)]
    # the shortest text of a float32 is the number as it was charted
    return float(str(np.float32(known[-1]))) if len(known) else None


def _same(now: Any, before: Any, variable: int) -> bool:
    return bool(
        np.array_equal(
            as_array(now)[0, :, variable], as_array(before)[0, :, variable], equal_nan=True
        )
    )


def _repeated(value: Any, count: int) -> Any:
    if isinstance(value, np.ndarray):
        return np.repeat(value, count, axis=0)
    return value.repeat(count, *([1] * (value.ndim - 1)))


def _stacked(rows: list[Any]) -> Any:
    if isinstance(rows[0], np.ndarray):
        return np.concatenate(rows)
    import torch

    return torch.cat(rows)
