"""Several inputs at once: modalities first, exactly, then inside each, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import as_array
from audits.explanations.input_findings import input_findings
from audits.explanations.parts.changes import change_since, known_by
from audits.explanations.parts.deletion import deletion_test
from audits.explanations.parts.evidence import Cell, Deletion, NoteEvidence, Timeline
from audits.explanations.parts.layout import Layout, Player, joint_game, merged, plain_error
from audits.explanations.parts.negation import negated_spans
from audits.explanations.parts.notes import (
    NotePlan,
    note_findings,
    note_layout,
    note_plan,
    text_units,
)
from audits.explanations.parts.players import additive_explanation, effects_of
from audits.explanations.parts.sequences import odd_measurements
from audits.explanations.parts.windows import (
    sequence_variables,
    variable_player,
    window_start,
    window_values,
)
from audits.explanations.shapley import (
    FieldsGame,
    Hierarchy,
    OwenEstimate,
    Stop,
    UnitGame,
    owen_values,
)
from audits.explanations.spaces import UNITS
from audits.explanations.variables import described, plain_value, players_of_columns

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background
    from audits.explanations.request import Request
    from audits.explanations.result import CaseExplanation, Method
    from audits.types import Finding
    from model_adapters.base import Field

Ints = npt.NDArray[np.int64]

REGIONS = 3
SECTIONS_OPENED = 1
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionGame:
    """The game of all inputs of one case.

    Attributes:
        layouts: Players of every input, in the model's order; sentences of a note.
        plans: The words of every note.
        game: Its players are those of all layouts, one after the other.
        part_of: (players,) part of every player: itself, or the section of a sentence.
        input_of: (parts,) input of every part.
        parts: What the explanation lists: variables, regions, sections.
    """

    layouts: tuple[Layout, ...]
    plans: Mapping[str, NotePlan]
    game: FieldsGame
    part_of: Ints
    input_of: Ints
    parts: tuple[Player, ...]

    @property
    def of_parts(self) -> UnitGame:
        """Return the game whose players are the parts."""
        return UnitGame(game=self.game, unit_of=self.part_of)


def explain_by_modalities(request: Request, method: Method) -> CaseExplanation:
    """Explain one score of a model that takes several inputs.

    Inputs first, exactly; then their parts; then the sentences of the leading section of a note.

    Args:
        request: The case.
        method: ``shapley``.
    """
    background = request.background()
    whole = fusion_game(request, background)
    estimate = owen_values(
        whole.game,
        Hierarchy(levels=(whole.input_of[whole.part_of], whole.part_of)),
        seed=request.seed,
        stop=STOP,
        open_largest=(None, SECTIONS_OPENED),
    )
    return additive_explanation(
        request,
        method=method,
        estimand=ESTIMAND.format(
            output=request.output,
            unit=UNITS[request.adapter.output.space],
            coalitions=2 ** len(whole.layouts),
        ),
        background=background.id,
        estimate=estimate.levels[1],
        players=effects_of(whole.parts, estimate.levels[1], request.index),
        modalities=effects_of(
            [
                Player(name=field.name, label=WORDS.get(field.modality, field.name))
                for field in request.adapter.inputs
            ],
            estimate.groups,
            request.index,
        ),
        timeline=_timeline(request, whole, estimate),
        note=_note(request, whole, estimate),
        findings=(
            *(one for plan in whole.plans.values() for one in note_findings(request, plan)),
            *_odd_inputs(request, background),
        ),
    )


def _odd_inputs(request: Request, background: Background) -> tuple[Finding, ...]:
    """Return what the reader must know of values that nobody has, or in another unit."""
    out: list[Finding] = []
    for field in request.adapter.inputs:
        if field.modality == "table":
            features = described(field, getattr(request.study, "variables", ()))
            own = request.raw[field.name].iloc[0]
            others = background.raw[field.name][background.others(request.case)]
            out += input_findings(request.case, features, own, others)
        elif field.modality == "sequence":
            features = sequence_variables(request, field)
            out += odd_measurements(request, field, features, background)
    return tuple(out)


def fusion_game(request: Request, background: Background | None = None) -> FusionGame:
    """Return the game of all inputs of a case.

    Args:
        request: The case.
        background: What fills what is left out; default the request's own.
    """
    plans = {
        field.name: note_plan(request, field)
        for field in request.adapter.inputs
        if field.modality == "text"
    }
    prepared = (background or request.background()).prepared
    layouts = tuple(
        _layout(request, field, prepared, plans.get(field.name)) for field in request.adapter.inputs
    )
    part_of: list[Ints] = []
    input_of: list[int] = []
    parts: list[Player] = []
    for at, layout in enumerate(layouts):
        own = layout.levels[0] if layout.levels else np.arange(len(layout.players))
        listed = _section_players(layout.field, plans[layout.field]) if layout.levels else None
        part_of.append(own + len(parts))
        parts += listed or layout.players
        input_of += [at] * (len(parts) - len(input_of))
    return FusionGame(
        layouts=layouts,
        plans=plans,
        game=joint_game(request, layouts),
        part_of=np.concatenate(part_of),
        input_of=np.array(input_of),
        parts=tuple(parts),
    )


def _section_players(field: str, plan: NotePlan) -> list[Player]:
    return [Player(name=f"{field}: {one.name}", label=f"Note, {one.name}") for one in plan.sections]


def _sentences(request: Request, field: Field, plan: NotePlan, rows: int) -> Layout:
    """Return the layout whose players are a note's sentences, by section."""
    words = note_layout(request, field, plan, rows=rows)
    players = [Player(name=one.name, label=one.name.capitalize()) for one in plan.sentences]
    return replace(merged(words, 1, players), levels=(plan.section_of_sentence,))


def _layout(request: Request, field: Field, background: Any, plan: NotePlan | None) -> Layout:
    if plan is not None:
        return _sentences(request, field, plan, len(next(iter(background.values()))))
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


def _places(whole: FusionGame, field: Field) -> Ints:
    """Return the parts of one input."""
    at = next(i for i, layout in enumerate(whole.layouts) if layout.field == field.name)
    return np.flatnonzero(whole.input_of == at)


def _timeline(request: Request, whole: FusionGame, estimate: OwenEstimate) -> Timeline | None:
    found = estimate.levels[1]
    for field in request.adapter.inputs:
        if field.modality != "sequence" or field.grid is None:
            continue
        features = sequence_variables(request, field)
        grid = as_array(request.prepared[field.name])[0]
        return Timeline(
            field=field.name,
            hours=field.grid.hours,
            cells=tuple(
                Cell(
                    variable=feature.name,
                    level="variable",
                    start=0.0,
                    end=field.grid.hours,
                    effect=float(found.effects[0, place, request.index]),
                    se=plain_error(found.se[0, :, request.index], int(place)),
                    measured=int(np.isfinite(grid[:, at, 0]).sum()),
                )
                for at, (feature, place) in enumerate(
                    zip(features, _places(whole, field), strict=True)
                )
            ),
            trajectory=known_by(request, field),
            change=change_since(request, field, features, request.since),
            read=int(np.isfinite(grid[..., 0]).sum()),
            unit=field.grid.unit,
            origin=window_start(field, request.raw[field.name][0]),
        )
    return None


def _note(request: Request, whole: FusionGame, estimate: OwenEstimate) -> NoteEvidence | None:
    for field in request.adapter.inputs:
        if field.modality != "text":
            continue
        plan = whole.plans[field.name]
        parts = _places(whole, field)
        players = np.flatnonzero(np.isin(whole.part_of, parts))
        negated = negated_spans(str(request.raw[field.name][0]))
        return NoteEvidence(
            field=field.name,
            units=(
                *text_units("section", plan.sections, estimate.levels[1], parts, request, negated),
                *text_units("sentence", plan.sentences, estimate.members, players, request,
                            negated),
            ),
            read=len(plan.tokens.ids),
            total=plan.tokens.total,
            read_to=max(end for _, end in plan.tokens.spans),
            negations=negated,
            deletion=_deletion(request, field, plan, estimate, parts, players),
        )  # fmt: skip
    return None


def _deletion(
    request: Request,
    field: Field,
    plan: NotePlan,
    estimate: OwenEstimate,
    parts: Ints,
    players: Ints,
) -> Deletion | None:
    """Take sentences out of the note while all other inputs stay the case's own.

    A sentence of a section that was not opened ranks with its share of the section.
    """
    section = plan.section_of_sentence
    shared = estimate.levels[1].effects[0, parts, request.index] / np.bincount(section)
    own = estimate.members.effects[0, players, request.index]
    effects = np.where(np.isnan(own), shared[section], own)
    game = joint_game(request, [note_layout(request, field, plan, rows=1)])
    sentences = UnitGame(game=game, unit_of=plan.sentence_of)
    return deletion_test(sentences, request.index, effects, seed=request.seed)
