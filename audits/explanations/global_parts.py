"""What drives models of measurements over time, of notes and of several inputs, in general.

The players are those that cases share, by name: variables over the whole window, sections of a
note, regions of an image. A section that a note lacks has no effect there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, stop_if
from audits.errors import ExplanationError
from audits.explanations.backgrounds import as_array
from audits.explanations.measurement import measurement_effects
from audits.explanations.parts.fusion import fusion_game
from audits.explanations.parts.layout import Player, joint_game
from audits.explanations.parts.notes import note_layout, note_plan
from audits.explanations.parts.windows import sequence_variables, window_values
from audits.explanations.shapley import (
    FieldsGame,
    Hierarchy,
    Stop,
    UnitGame,
    owen_values,
    permutation_shapley,
    shapley_values,
)
from audits.explanations.spaces import explained
from audits.explanations.variables import NOT_MEASURED, described
from model_adapters.base import Feature

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.backgrounds import Background
    from audits.explanations.parts.notes import NotePlan
    from audits.explanations.request import Request
    from audits.explanations.sample import Sample
    from model_adapters.base import Field

SPLIT_CASES = 60
"""Cases of a sequence whose effects are split into being measured and the value."""
PRESENT = "present"

Kind = Literal["variable", "section", "region"]
Floats = npt.NDArray[np.float64]
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a player comes from.

    Attributes:
        kind: A clinical variable, a section of a note, or a region of an image.
        variable: Name of the study's variable, or None.
    """

    kind: Kind
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """Effects of some cases.

    Attributes:
        case_ids: Which.
        features: The players.
        origins: Where each comes from.
        raw: Their values, (n, players); missing where not measured, or where a note lacks them.
        effects: (n, players, outputs).
        measured: Part due to being measured, same shape; NaN where it was not asked.
        words: Section -> the words of each case's section, None where it lacks it. Never written.
    """

    case_ids: tuple[str, ...]
    features: tuple[Feature, ...]
    origins: tuple[Origin, ...]
    raw: pd.DataFrame
    effects: Floats
    measured: Floats
    words: Mapping[str, tuple[frozenset[str] | None, ...]]


def sequence_step(sample: Sample, background: Background, *, stop: Stop, split: bool) -> Step:
    """Return effects of the variables of a sequence over the whole window, all cases at once.

    Args:
        sample: Opened cases of a model whose only input is a sequence.
        background: What they are measured against.
        stop: When to stop.
        split: Also split the first cases' effects into being measured at all and the rest.
    """
    (field,) = sample.adapter.inputs
    features = sequence_variables(sample.request(0, 0), field)
    game = _window_game(sample, field, background, len(features))
    estimate = permutation_shapley(game, seed=sample.seed, stop=stop)
    raw = _last_values(sample.prepared[field.name], features)
    measured = np.full_like(estimate.effects, np.nan)
    if split:
        few = list(range(min(SPLIT_CASES, len(raw))))
        there = replace(
            background,
            raw={field.name: _last_values(background.prepared[field.name], features)},
        )
        part = replace(estimate, effects=estimate.effects[few], se=estimate.se[few])
        measured[few] = measurement_effects(
            _window_game(sample.only(few), field, background, len(features)),
            replace(field, features=features),
            {field.name: raw.iloc[few]},
            there,
            part,
            seed=sample.seed,
        ).effects
    return Step(
        case_ids=sample.case_ids,
        features=features,
        origins=tuple(Origin(kind="variable", variable=one.name) for one in features),
        raw=raw,
        effects=estimate.effects,
        measured=measured,
        words={},
    )


def parts_step(sample: Sample, *, stop: Stop, cancel: Cancel) -> Step | None:
    """Return effects of the parts of a note or of several inputs, case by case.

    Args:
        sample: Opened cases of a model with a note or with several inputs.
        stop: When members of an input stop.
        cancel: Asked between cases.

    Returns:
        The effects; None where the model reads none of these cases.
    """
    found: list[tuple[str, list[_Part], Floats]] = []
    for row, case in enumerate(sample.case_ids):
        stop_if(cancel)
        request = sample.request(row, 0)
        try:
            parts, effects = _of_case(request, stop)
        except ExplanationError:
            continue  # a note without a word has no parts; the cases that are left are counted
        found.append((case, parts, effects))
    return _of_cases(found) if found else None


def joined(steps: Sequence[Step]) -> Step:
    """Return all steps as one; a part that the cases of a step lack has no effect there."""
    import pandas as pd

    known = {one.name: (one, origin) for step in steps
             for one, origin in zip(step.features, step.origins, strict=True)}  # fmt: skip
    place = {name: at for at, name in enumerate(known)}
    effects, measured = [], []
    held: dict[str, tuple[frozenset[str] | None, ...]]
    held = {name: () for step in steps for name in step.words}
    for step in steps:
        columns = [place[one.name] for one in step.features]
        shape = (len(step.case_ids), len(known), step.effects.shape[2])
        own, part = np.zeros(shape), np.full(shape, np.nan)
        own[:, columns], part[:, columns] = step.effects, step.measured
        effects.append(own)
        measured.append(part)
        for name in held:
            held[name] += step.words.get(name, (None,) * len(step.case_ids))
    raw = pd.concat([step.raw for step in steps], ignore_index=True)
    return Step(
        case_ids=tuple(case for step in steps for case in step.case_ids),
        features=tuple(feature for feature, _ in known.values()),
        origins=tuple(origin for _, origin in known.values()),
        raw=raw.reindex(columns=list(known)),
        effects=np.concatenate(effects),
        measured=np.concatenate(measured),
        words=held,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One player of one case: what it is, its value and, for a section, its words."""

    feature: Feature
    origin: Origin
    value: Any
    words: frozenset[str] | None = None


def _of_case(request: Request, stop: Stop) -> tuple[list[_Part], Floats]:
    """Return the parts of one case and their effects, (parts, outputs)."""
    if [field.modality for field in request.adapter.inputs] == ["text"]:
        (field,) = request.adapter.inputs
        plan = note_plan(request, field)
        game = joint_game(request, [note_layout(request, field, plan, rows=1)])
        sections = UnitGame(game=game, unit_of=plan.section_of)
        return _sections(request, field, plan, ""), shapley_values(
            sections, seed=request.seed, stop=stop
        ).effects[0]
    whole = fusion_game(request)
    estimate = owen_values(
        whole.of_parts, Hierarchy(levels=(whole.input_of,)), seed=request.seed, stop=stop
    )
    parts: list[_Part] = []
    for field, layout in zip(request.adapter.inputs, whole.layouts, strict=True):
        if field.modality == "text":
            parts += _sections(request, field, whole.plans[field.name], f"{field.name}: ")
        else:
            parts += _players(request, field, layout.players)
    return parts, estimate.members.effects[0]


def _players(request: Request, field: Field, players: Sequence[Player]) -> list[_Part]:
    """Return variables of a table or a sequence by their study's name, or regions."""
    own: tuple[Feature, ...] = ()
    if field.modality == "sequence":
        own = sequence_variables(request, field)
    elif field.modality == "table":
        own = described(field, getattr(request.study, "variables", ()))
    taken = [one.name for other in request.adapter.inputs for one in other.features]
    out = []
    for at, player in enumerate(players):
        value = None if player.value == NOT_MEASURED else player.value
        if own:
            name = own[at].name if taken.count(own[at].name) == 1 else player.name
            origin = Origin(kind="variable", variable=own[at].name)
            out.append(_Part(feature=replace(own[at], name=name), origin=origin, value=value))
        else:
            feature = Feature(name=player.name, label=player.label)
            out.append(_Part(feature=feature, origin=Origin(kind="region"), value=None))
    return out


def _sections(request: Request, field: Field, plan: NotePlan, prefix: str) -> list[_Part]:
    text = str(request.raw[field.name][0])
    return [
        _Part(
            feature=Feature(name=f"{prefix}{one.name}", label=f"Note, {one.name}"),
            origin=Origin(kind="section"),
            value=PRESENT,
            words=frozenset(_WORD.findall(text[one.start : one.end].lower())),
        )
        for one in plan.sections
    ]


def _of_cases(found: Sequence[tuple[str, list[_Part], Floats]]) -> Step:
    import pandas as pd

    known = {part.feature.name: part for _, parts, _ in found for part in parts}
    place = {name: at for at, name in enumerate(known)}
    effects = np.zeros((len(found), len(known), found[0][2].shape[1]))
    values: dict[str, list[Any]] = {name: [None] * len(found) for name in known}
    words: dict[str, list[frozenset[str] | None]] = {
        name: [None] * len(found) for name, part in known.items() if part.words is not None
    }
    for row, (_, parts, own) in enumerate(found):
        for at, part in enumerate(parts):
            name = part.feature.name
            effects[row, place[name]] = own[at]
            values[name][row] = part.value
            if name in words:
                words[name][row] = part.words
    return Step(
        case_ids=tuple(case for case, _, _ in found),
        features=tuple(part.feature for part in known.values()),
        origins=tuple(part.origin for part in known.values()),
        raw=pd.DataFrame({name: pd.Series(held) for name, held in values.items()}),
        effects=effects,
        measured=np.full_like(effects, np.nan),
        words={name: tuple(held) for name, held in words.items()},
    )


def _window_game(
    sample: Sample, field: Field, background: Background, variables: int
) -> FieldsGame:
    space = sample.adapter.output.space
    return FieldsGame(
        predict=lambda batch: explained(sample.adapter.predict(batch), space),
        cases=sample.prepared,
        background={field.name: background.prepared[field.name]},
        player_of_cell={field.name: np.arange(variables)[None, :, None]},
        players=variables,
    )


def _last_values(prepared: Any, features: Sequence[Feature]) -> pd.DataFrame:
    """Return the last value of each variable in the window; missing where there is none."""
    import pandas as pd

    grid = as_array(prepared)
    last = window_values(grid, ((0, grid.shape[1]),))[:, :, 0]
    return pd.DataFrame(last.astype(float), columns=[one.name for one in features])
