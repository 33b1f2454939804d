"""“Not measured” as its own part of an effect: being measured at all, and then the value.

A variable that was ordered tells the model two things: that somebody ordered it, and what came
out. Where a background patient lacks it and this one has it, the way from one to the other passes
a patient in whom it was measured with somebody else's value. The first step is the effect of
being measured, the second that of the value; they add up to the variable's effect, as two players
of which the one always precedes the other. For a patient in whom it was not measured, all of the
effect is that of not being measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley import FieldsGame
from audits.explanations.shapley.cycles import few_cycles

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background
    from audits.explanations.shapley import ShapleyEstimate
    from model_adapters.base import Field

CYCLES = 4

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementEffects:
    """The part of every effect that is due to being measured or not.

    Attributes:
        effects: (rows, players, outputs) in the unit of the effects; NaN where the variable is
            measured in the patient and in the whole background, so that the question is idle.
        se: Standard errors, same shape.
    """

    effects: Floats
    se: Floats


def measurement_effects(
    game: FieldsGame,
    field: Field,
    raw: Mapping[str, Any],
    background: Background,
    estimate: ShapleyEstimate,
    *,
    seed: int = 0,
) -> MeasurementEffects:
    """Split every effect into being measured and the value.

    Args:
        game: The table's game.
        field: The table.
        raw: The cases as the study gives them; missing is NaN or None.
        background: The cohort, with its own raw table.
        estimate: The effects.
        seed: Seed of orders and of the values that are lent.
    """
    names = [feature.name for feature in field.features]
    absent = raw[field.name][names].isna().to_numpy(dtype=bool)
    absent_there = background.raw[field.name][names].isna().to_numpy(dtype=bool)
    effects = np.full_like(estimate.effects, np.nan)
    errors = np.full_like(estimate.effects, np.nan)
    for player in range(len(names)):
        unknown = absent[:, player].copy()
        if absent_there[:, player].all():  # nobody can lend a value: all of it is being measured
            unknown[:] = True
        effects[unknown, player] = estimate.effects[unknown, player]
        errors[unknown, player] = estimate.se[unknown, player]
        rows = np.flatnonzero(~unknown)
        if absent_there[:, player].any() and len(rows):
            rng = np.random.default_rng([seed, player])
            cycles = _lent(game, field.name, rows, player, absent_there[:, player], rng)
            effects[rows, player] = cycles.mean(axis=0)
            spread = cycles.std(axis=0, ddof=1) / np.sqrt(CYCLES)
            errors[rows, player] = spread * few_cycles(np.array(CYCLES))
    return MeasurementEffects(effects=effects, se=errors)


def _lent(
    game: FieldsGame, name: str, rows: Ints, player: int, absent: Bools, rng: np.random.Generator
) -> Floats:
    """Return the effect of being measured in every cycle, (cycles, rows, outputs)."""
    lacking, lenders = np.flatnonzero(absent), np.flatnonzero(~absent)
    before = np.tile(lacking, CYCLES)
    shape = game.background[name].shape[1:]
    cells = np.broadcast_to(game.player_of_cell[name] == player, shape).copy()
    own = game.background[name][before]
    lent = game.background[name][rng.choice(lenders, len(before))]
    with_value = own.copy() if isinstance(own, np.ndarray) else own.clone()
    with_value[:, cells] = lent[:, cells]
    ranks = rng.permuted(np.tile(np.arange(game.players), (len(before), 1)), axis=1)
    mine = ranks[:, [player]]
    masks = np.concatenate([ranks < mine, ranks > mine])
    places = np.tile(np.arange(len(before)), 2)
    gain = sum(
        sign * replace(game, background={name: filled}, _cache={}).hybrids(rows, places, masks)
        for sign, filled in ((1, with_value), (-1, own))
    )
    by_cycle = np.asarray(gain).reshape(len(rows), 2, CYCLES, len(lacking), -1)
    summed = by_cycle.mean(axis=1).sum(axis=2) / len(absent)
    return np.asarray(summed.transpose(1, 0, 2))
