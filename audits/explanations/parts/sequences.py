"""Effects of variables over windows of time: the same estimand as for tables, drawn on a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import as_array
from audits.explanations.input_findings import measured_findings
from audits.explanations.parts.changes import change_since, known_by
from audits.explanations.parts.evidence import Cell, CellLevel, Timeline
from audits.explanations.parts.layout import Layout, joint_game, merged, plain_error
from audits.explanations.parts.players import additive_explanation, effects_of
from audits.explanations.parts.windows import (
    Windows,
    cut,
    sequence_layout,
    sequence_variables,
    window_start,
    window_values,
)
from audits.explanations.shapley import FieldsGame, Hierarchy, OwenEstimate, Stop, owen_values
from audits.explanations.shapley.support import off_support_share
from audits.explanations.spaces import UNITS
from audits.types import Finding

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background
    from audits.explanations.request import Request
    from audits.explanations.result import CaseExplanation, Method
    from model_adapters.base import Feature, Field

LOOKED_INTO = 3
STOP = Stop(relative=0.05, absolute=0.02, min_cycles=3, max_cycles=12, seconds=8.0)
ESTIMAND = (
    "Interventional Shapley value of each variable in {output}, in {unit}, against the background "
    "cohort, shared out over windows of time by the Owen value: what a window leaves out is filled "
    "with the measurements, or the absence of any, of another patient in the same hours."
)


def explain_by_sequence(
    request: Request, method: Method, *, stop: Stop = STOP, fine: bool = True
) -> CaseExplanation:
    """Explain one score of a model that reads measurements over time.

    Variables first (enumerated where that is cheap), then their windows, then parts of the
    leading windows.

    Args:
        request: The case.
        method: ``shapley``.
        stop: When to stop.
        fine: Also look into leading windows.
    """
    (field,) = request.adapter.inputs
    background = request.background()
    features, windows = sequence_variables(request, field), cut(field, fine=fine)
    layout = sequence_layout(request, field, features, windows, background.prepared[field.name])
    game = joint_game(request, [layout])
    most = (None,) * (len(layout.levels) - 1) + (LOOKED_INTO if len(layout.levels) > 1 else None,)
    estimate = owen_values(
        game, Hierarchy(levels=layout.levels), seed=request.seed, stop=stop, open_largest=most
    )
    shown = _window_layout(request, field, features, layout)
    return additive_explanation(
        request,
        method=method,
        estimand=ESTIMAND.format(output=request.output, unit=UNITS[request.adapter.output.space]),
        background=background.id,
        estimate=estimate.levels[1],
        players=effects_of(shown.players, estimate.levels[1], request.index),
        off_support=_off_support(request, field, shown, windows),
        timeline=timeline_of(request, field, features, windows, estimate),
        findings=odd_measurements(request, field, features, background),
    )


def sequence_game(request: Request) -> FieldsGame:
    """Return the game whose players are windows, for the checks of an explanation."""
    (field,) = request.adapter.inputs
    features, windows = sequence_variables(request, field), cut(field, fine=False)
    rows = request.background().prepared[field.name]
    return joint_game(request, [sequence_layout(request, field, features, windows, rows)])


def timeline_of(
    request: Request,
    field: Field,
    features: tuple[Feature, ...],
    windows: Windows,
    estimate: OwenEstimate,
) -> Timeline:
    """Return effects on the clock, the risk as it was known at each hour, and what changed."""
    grid = as_array(request.prepared[field.name])[0]
    read, left_out = _counts(request, field, grid)
    return Timeline(
        field=field.name,
        hours=field.grid.hours if field.grid else float(grid.shape[0]),
        cells=_cells(request, features, windows, estimate, grid),
        trajectory=known_by(request, field),
        change=change_since(request, field, features, request.since),
        read=read,
        left_out=left_out,
        unit=field.grid.unit if field.grid else 1.0,
        origin=window_start(field, request.raw[field.name][0]),
    )


def _cells(
    request: Request,
    features: tuple[Feature, ...],
    windows: Windows,
    estimate: OwenEstimate,
    grid: npt.NDArray[np.floating[Any]],
) -> tuple[Cell, ...]:
    whole = ((windows.windows[0][0], windows.windows[-1][1]),)
    levels: list[tuple[CellLevel, tuple[tuple[int, int], ...]]] = [
        ("variable", whole),
        ("window", windows.windows),
    ]
    if len(estimate.levels) > len(levels):
        levels.append(("part", windows.parts))
    out = []
    for (level, spans), found in zip(levels, estimate.levels, strict=True):
        effects, errors = found.effects[0, :, request.index], found.se[0, :, request.index]
        for place in np.flatnonzero(np.isfinite(effects)):
            variable, at = divmod(int(place), len(spans))
            start, end = windows.hours(spans[at])
            here = grid[spans[at][0] : spans[at][1], variable, 0]
            out.append(
                Cell(
                    variable=features[variable].name,
                    level=level,
                    start=start,
                    end=end,
                    effect=float(effects[place]),
                    se=plain_error(errors, int(place)),
                    measured=int(np.isfinite(here).sum()),
                )
            )
    return tuple(out)


def _window_layout(
    request: Request,
    field: Field,
    features: tuple[Feature, ...],
    layout: Layout,
) -> Layout:
    """Return the layout whose players are windows: those every case of a model has."""
    if len(layout.levels) == 1:
        return layout
    coarse = sequence_layout(request, field, features, cut(field, fine=False), layout.background)
    return merged(layout, 1, coarse.players)


def _off_support(request: Request, field: Field, layout: Layout, windows: Windows) -> float | None:
    own = window_values(as_array(request.prepared[field.name]), windows.windows)
    others = window_values(as_array(layout.background), windows.windows)
    return off_support_share(
        own.reshape(-1),
        others.reshape(len(others), -1),
        np.arange(own[0].size),
        seed=request.seed,
    )


def _counts(request: Request, field: Field, grid: npt.NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Return measurements that reach the model, and those of its variables that do not."""
    names = {feature.name for feature in field.features}
    table = request.raw[field.name][0]
    given = int((table["variable"].astype(str).isin(names) & table["value"].notna()).sum())
    read = int(np.isfinite(grid[..., 0]).sum())
    return read, max(0, given - read)


def odd_measurements(
    request: Request, field: Field, features: tuple[Feature, ...], background: Background
) -> tuple[Finding, ...]:
    """Return what the reader must know of what was measured: nothing, once, or beyond anybody."""
    grid = as_array(request.prepared[field.name])[0, ..., 0]
    others = as_array(background.prepared[field.name])[background.others(request.case), ..., 0]
    return (
        *_course_findings(request.case, grid),
        *measured_findings(request.case, features, grid, others),
    )


def _course_findings(case: str, grid: npt.NDArray[np.floating[Any]]) -> tuple[Finding, ...]:
    where = f"explanation.{case}"
    if not np.isfinite(grid).any():
        message = (
            "Nothing of what the model reads over time was measured in this case; its effects are "
            "those of not being measured."
        )
        return (Finding(severity="warning", where=where, message=message),)
    if np.isfinite(grid).any(axis=1).sum() == 1:
        message = "All measurements of this case lie in one step, so there is no course over time."
        return (Finding(severity="info", where=where, message=message),)
    return ()
