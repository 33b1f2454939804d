"""Owen values: groups of players first, then the players inside them, adding up at every level.

The effect of a group is its Shapley value among the groups. The effect of a member is the Owen
value (1977): its mean marginal contribution over orders that keep every group together. Members
are walked inside one group at a time, so a group of 50 among 200 groups costs 50 steps and not
10,000, and groups that do not matter need not be opened. Inside a small group whose own effect is
exact all coalitions are enumerated instead, where that costs no more than twice the fewest cycles.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.shapley.derived_games import UnitGame
from audits.explanations.shapley.estimate import (
    EXACT_EVALUATIONS,
    EXACT_PLAYERS,
    ShapleyEstimate,
    Stop,
    fits_in,
    shapley_values,
)
from audits.explanations.shapley.exact import coalition_values
from audits.explanations.shapley.exact_owen import (
    coalitions_inside,
    enumerated_inside,
    owen_weights,
)
from audits.explanations.shapley.games import Game
from audits.explanations.shapley.hierarchy import Hierarchy, Ints
from audits.explanations.shapley.walk_inside import Walk

Floats = npt.NDArray[np.float64]

AS_MANY_CYCLES = 2
"""Times the fewest cycles that enumeration inside a group may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwenEstimate:
    """Effects at every level of a hierarchy.

    Attributes:
        hierarchy: The nesting; ``hierarchy.steps[d][player]`` is the unit of level d.
        levels: One estimate per level, the players last. Units inside a group that was not
            opened are NaN; those inside an opened group add up to its effect.
    """

    hierarchy: Hierarchy
    levels: tuple[ShapleyEstimate, ...]

    @property
    def groups(self) -> ShapleyEstimate:
        """Return the coarsest level."""
        return self.levels[0]

    @property
    def members(self) -> ShapleyEstimate:
        """Return the players."""
        return self.levels[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What all levels of one estimate share; ``ends`` is a reading of the monotonic clock."""

    rule: Stop
    ends: float
    open_largest: int | Sequence[int | None] | None
    seed: int

    def most(self, depth: int) -> int | None:
        """Return how many groups of the level above ``depth`` are looked into."""
        if isinstance(self.open_largest, Sequence):
            return self.open_largest[depth - 1]
        return self.open_largest

    def enumerates(self, game: Game, cost: int, children: int, seconds: float) -> bool:
        """Return whether all coalitions inside a group cost little more than a walk, and fit."""
        walk = self.rule.min_cycles * 2 * (children + 1) * game.backgrounds * game.rows
        return cost <= AS_MANY_CYCLES * walk and fits_in(game, cost, seconds)


def owen_values(
    game: Game,
    hierarchy: Hierarchy,
    *,
    seed: int = 0,
    stop: Stop | None = None,
    open_largest: int | Sequence[int | None] | None = None,
) -> OwenEstimate:
    """Return effects of groups, of the groups inside them, and of the players.

    Args:
        game: Players, cases and background.
        hierarchy: Which players belong together.
        seed: Seed of the orders.
        stop: When to stop; its seconds are for all levels together.
        open_largest: How many groups of several units are looked into, by their largest effect
            over the cases: one number for all levels, or one for each; None for all.

    Raises:
        ExplanationError: If the hierarchy is not over the game's players.
    """
    if hierarchy.players != game.players:
        raise ExplanationError(
            f"hierarchy: expected {game.players} players as in the game, found "
            f"{hierarchy.players}; give the group of every player"
        )
    if not _is_partial(open_largest) and _is_cheap(game, hierarchy):
        return _enumerated(game, hierarchy)
    rule = stop or Stop()
    started = time.monotonic()
    first = UnitGame(game=game, unit_of=hierarchy.levels[0])
    levels = [shapley_values(first, seed=seed, stop=replace(rule, seconds=rule.seconds / 2))]
    plan = _Plan(
        rule=rule,
        ends=started + rule.seconds,
        open_largest=open_largest,
        seed=seed,
    )
    while len(levels) < len(hierarchy.steps):
        levels.append(_next_level(game, hierarchy, levels, plan))
    return OwenEstimate(hierarchy=hierarchy, levels=tuple(levels))


def _is_partial(open_largest: int | Sequence[int | None] | None) -> bool:
    if isinstance(open_largest, Sequence):
        return any(most is not None for most in open_largest)
    return open_largest is not None


def _is_cheap(game: Game, hierarchy: Hierarchy) -> bool:
    if len(hierarchy.levels) != 1 or game.players > EXACT_PLAYERS:
        return False
    return (1 << game.players) * game.backgrounds * game.rows <= EXACT_EVALUATIONS


def _enumerated(game: Game, hierarchy: Hierarchy) -> OwenEstimate:
    value = coalition_values(game)
    effects = np.einsum("ps,nsc->npc", owen_weights(hierarchy), value)
    members = ShapleyEstimate(
        effects=effects,
        se=np.zeros_like(effects),
        base=game.at_background().mean(axis=0),
        scores=game.at_rows(),
        cycles=np.zeros(game.rows, dtype=np.int64),
        evaluations=2**game.players * game.backgrounds * game.rows,
        exact=True,
    )
    joined = np.eye(int(hierarchy.levels[0].max()) + 1)[hierarchy.levels[0]]
    of_groups = np.einsum("npc,pg->ngc", effects, joined)
    groups = replace(members, effects=of_groups, se=np.zeros_like(of_groups))
    return OwenEstimate(hierarchy=hierarchy, levels=(groups, members))


def _next_level(
    game: Game, hierarchy: Hierarchy, above: list[ShapleyEstimate], plan: _Plan
) -> ShapleyEstimate:
    depth, rule = len(above), plan.rule
    parent, child = hierarchy.steps[depth - 1], hierarchy.steps[depth]
    shape = (game.rows, int(child.max()) + 1, above[0].scores.shape[1])
    effects, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    scale = np.abs(above[0].effects).max(axis=1)
    evaluations, walked = 0, False
    opened = _opened(above[-1].effects, _children(parent, child), plan.most(depth))
    for place, unit in enumerate(opened):
        own, own_error = above[-1].effects[:, unit], above[-1].se[:, unit]
        children = np.unique(child[parent == unit])
        if len(children) == 1:
            effects[:, children[0]], errors[:, children[0]] = own, own_error
            continue
        left = (plan.ends - time.monotonic()) / (len(opened) - place)
        cost = coalitions_inside(hierarchy, depth, unit) * game.backgrounds * game.rows
        if not own_error.any() and plan.enumerates(game, cost, len(children), left):
            effects[:, children] = enumerated_inside(game, hierarchy, depth, unit)
            errors[:, children] = 0.0
            evaluations += cost
            continue
        walked = True
        walk = Walk(game=game, hierarchy=hierarchy, depth=depth, unit=unit, scale=scale)
        inner, spent = walk.run(
            replace(rule, seconds=max(left, 0.0)), plan.seed + 7919 * depth + place
        )
        effects[:, children], errors[:, children] = inner.adding_up_to(own, own_error)
        evaluations += spent
    return replace(
        above[0],
        effects=effects,
        se=errors,
        evaluations=evaluations,
        exact=above[-1].exact and not walked,
    )


def _children(parent: Ints, child: Ints) -> Ints:
    """Return how many units of the finer level lie in each of the coarser one."""
    pairs = np.unique(np.stack([parent, child]), axis=1)
    return np.bincount(pairs[0], minlength=int(parent.max()) + 1)


def _opened(effects: Floats, children: Ints, most: int | None) -> list[int]:
    """Return the groups to look into, largest effect first; those not known are left out.

    A group of one costs nothing and is none of the ``most``.
    """
    size = np.abs(effects).max(axis=(0, 2))
    order = np.argsort(-np.where(np.isnan(size), -1.0, size), kind="stable")
    known = [int(unit) for unit in order if not np.isnan(size[unit])]
    if most is None:
        return known
    several = [unit for unit in known if children[unit] > 1]
    return several[:most] + [unit for unit in known if children[unit] == 1]
