"""Several inputs at once: modalities first, exactly, then inside each, on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audits.explanations.backgrounds import as_array
from audits.explanations.parts.changes import change_since, known_by
from audits.explanations.parts.evidence import Cell, NoteEvidence, TextUnit, Timeline
from audits.explanations.parts.layout import (
    Layout,
    Player,
    by_modality,
    joint_game,
    merged,
)
from audits.explanations.parts.negation import negated_spans
from audits.explanations.parts.notes import NotePlan, note_findings, note_layout, note_plan
from audits.explanations.parts.players import additive_explanation, effects_of
from audits.explanations.parts.windows import (
    sequence_variables,
    variable_player,
    window_start,
    window_values,
)
from audits.explanations.shapley import FieldsGame, OwenEstimate, Stop, owen_values
from audits.explanations.spaces import UNITS
from audits.explanations.variables import described, plain_value, players_of_columns

if TYPE_CHECKING:
    from audits.explanations.request import Request
    from audits.explanations.result import CaseExplanation, Method, PlayerEffect
    from model_adapters.base import Field

REGIONS = 3
STOP = Stop(relative=0.06, absolute=0.03, min_cycles=3, max_cycles=8, seconds=12.0)
WORDS = {
    "image": "Image",
    "table": "Record",
    "sequence": "Measurements over time",
    "text": "Note",
    "signal": "Recording",
}
ESTIMAND = (
    "Shapley value of each input in {output}, in {unit}, over all {coalitions} combinations of "
    "inputs against the background cohort, shared out over the parts of each input by the Owen "
    "value; text that is left out is removed."
)


def explain_by_modalities(request: Request, method: Method) -> CaseExplanation:
    """Explain one score of a model that takes several inputs.

    Args:
        request: The case.
        method: ``shapley``.
    """
    background = request.background()
    plans = {
        field.name: note_plan(request, field)
        for field in request.adapter.inputs
        if field.modality == "text"
    }
    layouts = [
        _layout(request, field, background.prepared, plans) for field in request.adapter.inputs
    ]
    game = joint_game(request, layouts)
    estimate = owen_values(game, by_modality(layouts), seed=request.seed, stop=STOP)
    everybody = [player for layout in layouts for player in layout.players]
    return additive_explanation(
        request,
        method=method,
        estimand=ESTIMAND.format(
            output=request.output,
            unit=UNITS[request.adapter.output.space],
            coalitions=2 ** len(layouts),
        ),
        background=background.id,
        estimate=estimate.members,
        players=effects_of(everybody, estimate.members, request.index),
        modalities=effects_of(
            [
                Player(name=field.name, label=WORDS.get(field.modality, field.name))
                for field in request.adapter.inputs
            ],
            estimate.groups,
            request.index,
        ),
        timeline=_timeline(request, layouts, estimate),
        note=_note(request, layouts, estimate, plans),
        findings=tuple(
            finding for plan in plans.values() for finding in note_findings(request, plan)
        ),
    )


def fusion_game(request: Request) -> FieldsGame:
    """Return the game of the parts of all inputs, for the checks of an explanation."""
    plans = {
        field.name: note_plan(request, field)
        for field in request.adapter.inputs
        if field.modality == "text"
    }
    prepared = request.background().prepared
    return joint_game(
        request, [_layout(request, field, prepared, plans) for field in request.adapter.inputs]
    )


def _layout(request: Request, field: Field, background: Any, plans: dict[str, NotePlan]) -> Layout:
    if field.modality == "text":
        rows = len(next(iter(background.values())))
        plan = plans[field.name]
        words = note_layout(request, field, plan, rows=rows)
        return merged(
            words, 0, [Player(name=f"{field.name}: {one.name}", label=f"Note, {one.name}")
                       for one in plan.sections],
        )  # fmt: skip
    given = background[field.name]
    if field.modality == "sequence":
        return _variables_over_time(request, field, given)
    if field.modality == "table":
        return _columns(request, field, given)
    return _regions(request, field, given)


def _variables_over_time(request: Request, field: Field, background: Any) -> Layout:
    features = sequence_variables(request, field)
    steps = int(field.shape[0] or 1)
    last = window_values(as_array(request.prepared[field.name]), ((0, steps),))[0, :, 0]
    return Layout(
        field=field.name,
        owners=np.arange(len(features))[None, :, None],
        players=tuple(
            variable_player(feature, last[at], name=f"{field.name}: {feature.name}")
            for at, feature in enumerate(features)
        ),
        levels=(),
        background=background,
    )


def _columns(request: Request, field: Field, background: Any) -> Layout:
    features = described(field, getattr(request.study, "variables", ()))
    values = request.raw[field.name].iloc[0]
    players = []
    for feature in features:
        low, high = feature.normal or (None, None)
        players.append(
            Player(
                name=f"{field.name}: {feature.name}",
                label=feature.label,
                value=plain_value(values[feature.name]),
                unit=feature.unit,
                low=low,
                high=high,
                code=feature.code,
            )
        )
    columns = int(request.prepared[field.name].shape[1])
    return Layout(
        field=field.name,
        owners=players_of_columns(field, columns),
        players=tuple(players),
        levels=(),
        background=background,
    )


def _regions(request: Request, field: Field, background: Any) -> Layout:
    """Return a grid of regions over an image's last two axes, or over a recording's time."""
    shape = tuple(int(side) for side in request.prepared[field.name].shape[1:])
    axes = min(2, len(shape) - 1)
    owner = np.zeros((1,) * (len(shape) - axes) + shape[len(shape) - axes :], dtype=np.int64)
    places = [np.minimum(np.arange(side) * REGIONS // side, REGIONS - 1) for side in shape[-axes:]]
    for at, place in enumerate(places):
        reshape = [1] * owner.ndim
        reshape[owner.ndim - axes + at] = -1
        owner = owner * REGIONS + place.reshape(reshape)
    rows, columns = ("upper", "middle", "lower"), ("left", "centre", "right")
    names = (
        [f"{row} {column}" for row in rows for column in columns]
        if axes > 1
        else ["first third", "second third", "last third"]
    )
    word = WORDS.get(field.modality, field.name)
    return Layout(
        field=field.name,
        owners=owner,
        players=tuple(
            Player(name=f"{field.name}: {name}", label=f"{word}, {name}") for name in names
        ),
        levels=(),
        background=background,
    )


def _of_field(
    request: Request, layouts: list[Layout], estimate: OwenEstimate, field: Field
) -> tuple[PlayerEffect, ...]:
    first = 0
    for layout in layouts:
        if layout.field == field.name:
            return effects_of(layout.players, estimate.members, request.index, first=first)
        first += len(layout.players)
    return ()


def _timeline(request: Request, layouts: list[Layout], estimate: OwenEstimate) -> Timeline | None:
    for field in request.adapter.inputs:
        if field.modality != "sequence" or field.grid is None:
            continue
        features = sequence_variables(request, field)
        grid = as_array(request.prepared[field.name])[0]
        effects = _of_field(request, layouts, estimate, field)
        return Timeline(
            field=field.name,
            hours=field.grid.hours,
            cells=tuple(
                Cell(
                    variable=feature.name,
                    level="variable",
                    start=0.0,
                    end=field.grid.hours,
                    effect=one.effect,
                    se=one.se,
                    measured=int(np.isfinite(grid[:, at, 0]).sum()),
                )
                for at, (feature, one) in enumerate(zip(features, effects, strict=True))
            ),
            trajectory=known_by(request, field),
            change=change_since(request, field, features, request.since),
            read=int(np.isfinite(grid[..., 0]).sum()),
            unit=field.grid.unit,
            origin=window_start(field, request.raw[field.name][0]),
        )
    return None


def _note(
    request: Request,
    layouts: list[Layout],
    estimate: OwenEstimate,
    plans: dict[str, NotePlan],
) -> NoteEvidence | None:
    for field in request.adapter.inputs:
        if field.modality != "text":
            continue
        plan = plans[field.name]
        negated = negated_spans(str(request.raw[field.name][0]))
        effects = _of_field(request, layouts, estimate, field)
        return NoteEvidence(
            field=field.name,
            units=tuple(
                TextUnit(
                    level="section",
                    name=one.name,
                    start=one.start,
                    end=one.end,
                    effect=effect.effect,
                    se=effect.se,
                    negated=any(a < one.end and b > one.start for a, b in negated),
                )
                for one, effect in zip(plan.sections, effects, strict=True)
            ),
            read=len(plan.tokens.ids),
            total=plan.tokens.total,
            read_to=max(end for _, end in plan.tokens.spans),
            negations=negated,
            deletion=None,
        )
    return None
