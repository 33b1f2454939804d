"""Tables of thousands of variables, such as variants: groups play first, then their members.

The groups are those that ``variables.csv`` names, for example genes. Where it names none,
neighbouring columns are taken together, and the explanation says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audits.explanations.backgrounds import as_array
from audits.explanations.input_findings import input_findings
from audits.explanations.result import CaseExplanation, Method, PlayerEffect
from audits.explanations.shapley import FieldsGame, Game, Hierarchy, Stop, UnitGame, owen_values
from audits.explanations.shapley.owen import OwenEstimate
from audits.explanations.spaces import UNITS
from audits.types import Finding

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background
    from audits.explanations.request import Request
    from audits.explanations.shapley.hierarchy import Ints
    from model_adapters.base import Feature, Field

MOST_PLAYERS = 500
"""More variables than this are explained by groups."""

OPENED = 8
WIDE_STOP = Stop(relative=0.05, absolute=0.02, min_cycles=3, max_cycles=10, seconds=20.0)
GROUPS = (
    "Interventional Shapley value of each group of clinical variables in {output}, in {unit}, "
    "against the background cohort; inside the {opened} largest groups, Owen values of their "
    "variables, which add up to the group."
)


def is_wide(field: Field) -> bool:
    """Return whether a table has too many variables to play one by one."""
    return len(field.features) > MOST_PLAYERS


def groups_of(features: Sequence[Feature]) -> tuple[tuple[str, ...], Ints, bool]:
    """Return names of groups, the group of every variable, and whether somebody declared them.

    A variable without a group is one of its own.
    """
    if any(feature.group for feature in features):
        named = [feature.group or feature.name for feature in features]
        names = tuple(dict.fromkeys(named))
        place = {name: index for index, name in enumerate(names)}
        return names, np.array([place[name] for name in named]), True
    size = math.isqrt(len(features) - 1) + 1
    unit_of = np.arange(len(features)) // size
    blocks = [features[start : start + size] for start in range(0, len(features), size)]
    return tuple(f"{block[0].name} to {block[-1].name}" for block in blocks), unit_of, False


def played(field: Field, game: FieldsGame) -> Game:
    """Return the game whose players an explanation lists: variables, or groups of many."""
    if not is_wide(field):
        return game
    return UnitGame(game=game, unit_of=groups_of(field.features)[1])


def explain_wide(
    request: Request,
    game: FieldsGame,
    background: Background,
    features: Sequence[Feature],
    method: Method,
) -> CaseExplanation:
    """Explain a score by groups, and the largest groups by their variables.

    Args:
        request: The case.
        game: The table's game, a player per variable.
        background: What effects are measured against.
        features: The variables with the study's words and groups.
        method: ``shapley``.
    """
    from audits.explanations.shapley.support import off_support_share
    from audits.explanations.variables import additivity_check, table_field

    names, unit_of, declared = groups_of(features)
    found = owen_values(
        game,
        Hierarchy(levels=(unit_of,)),
        seed=request.seed,
        stop=WIDE_STOP,
        open_largest=OPENED,
    )
    field = table_field(request.adapter).name
    score = float(request.predict(request.prepared)[0, request.index])
    base = float(found.groups.base[request.index])
    scores = np.broadcast_to(request.predict(request.prepared)[0], found.groups.scores.shape)
    residual = float(found.groups.residual(scores)[0, request.index])
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=GROUPS.format(
            output=request.output, unit=UNITS[request.adapter.output.space], opened=OPENED
        ),
        background=background.id,
        base_value=base,
        additivity_residual=residual,
        off_support_share=off_support_share(
            as_array(request.prepared[field])[0],
            as_array(background.prepared[field]),
            unit_of[np.asarray(game.player_of_cell[field])],
            seed=request.seed,
        ),
        players=_players(request, found, names, unit_of, features),
        checks=(additivity_check(residual, score - base, score),),
        findings=(
            *request.findings(),
            *input_findings(
                request.case,
                features,
                request.raw[field].iloc[0],
                background.raw[field][background.others(request.case)],
            ),
            *_said(len(features), len(names), declared=declared),
        ),
    )


def _players(
    request: Request,
    found: OwenEstimate,
    names: Sequence[str],
    unit_of: Ints,
    features: Sequence[Feature],
) -> tuple[PlayerEffect, ...]:
    from audits.explanations.variables import player_effects, table_field

    values = request.raw[table_field(request.adapter).name].iloc[0]
    effects, errors = (
        part[0, :, request.index] for part in (found.members.effects, found.members.se)
    )
    groups, spread = (part[0, :, request.index] for part in (found.groups.effects, found.groups.se))
    out = []
    for unit, name in enumerate(names):
        members = np.flatnonzero(unit_of == unit)
        inside: tuple[PlayerEffect, ...] = ()
        if len(members) > 1 and not np.isnan(effects[members]).any():
            inside = player_effects(
                [features[int(member)] for member in members],
                values,
                effects[members],
                errors[members],
            )
        (own,) = player_effects([features[int(members[0])]], values, groups[[unit]], spread[[unit]])
        if len(members) > 1:
            own = replace(
                own, name=name, label=f"{name} ({len(members)} variables)", value=None, unit=None,
                low=None, high=None, code=None, members=inside,
            )  # fmt: skip
        out.append(own)
    return tuple(out)


def _said(count: int, groups: int, *, declared: bool) -> tuple[Finding, ...]:
    if declared:
        return ()
    message = (
        f"{count:,} variables are too many to play one by one, and variables.csv names no groups: "
        f"{groups} blocks of neighbouring columns play; name groups for an answer that means more."
    )
    return (Finding(severity="info", where="explanations.groups", message=message),)
