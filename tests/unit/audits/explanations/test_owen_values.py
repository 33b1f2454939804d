"""Owen values against enumeration: groups, members, nested levels and several inputs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audits.errors import ExplanationError
from audits.explanations.shapley import (
    FieldsGame,
    Hierarchy,
    Stop,
    UnitGame,
    exact_shapley,
    owen_values,
    permutation_shapley,
    shapley_values,
)
from audits.explanations.shapley.exact import coalition_values
from audits.explanations.shapley.exact_owen import owen_weights
from audits.explanations.shapley.walk_inside import Walk

PLAYERS = 10
GROUPS = np.array([0, 1, 1, 2, 2, 0, 0, 1, 1, 0])
"""Groups of four are walked, the one of two is enumerated."""
LONG = Stop(relative=0.0, absolute=0.0, max_cycles=120)


def _function(batch):
    x = batch["x"]
    three = x[:, 0] * x[:, 1] * x[:, 3] + np.tanh(x[:, 2] * x[:, 4] * x[:, 5])
    more = np.tanh(x[:, 5] * x[:, 7] * x[:, 9]) + x[:, 6] * x[:, 8] * x[:, 2]
    return np.stack([three + more, x[:, 0] + three**2 - x[:, 6] * more], axis=1)


def _game(seeded, rows=2):
    return FieldsGame(
        predict=_function,
        cases={"x": seeded.normal(size=(rows, PLAYERS))},
        background={"x": seeded.normal(size=(5, PLAYERS))},
        player_of_cell={"x": np.arange(PLAYERS)},
        players=PLAYERS,
    )


def test_estimated_members_agree_with_enumeration(seeded):
    game = _game(seeded)
    truth = np.einsum(
        "ps,nsc->npc", owen_weights(Hierarchy(levels=(GROUPS,))), coalition_values(game)
    )
    estimate = owen_values(game, Hierarchy(levels=(GROUPS,)), stop=LONG, open_largest=3)
    groups = exact_shapley(UnitGame(game=game, unit_of=GROUPS)).effects
    assert estimate.groups.effects == pytest.approx(groups, abs=1e-9)
    assert not estimate.members.exact
    for group in range(3):
        inside = estimate.members.effects[:, group == GROUPS].sum(axis=1)
        assert inside == pytest.approx(groups[:, group], abs=1e-9)
    error = np.abs(estimate.members.effects - truth)
    assert (error <= 5 * estimate.members.se + 1e-6).all()
    assert np.sqrt((error**2).mean() / (truth**2).mean()) < 0.05
    assert estimate.members.residual().max() < 1e-9


def test_small_hierarchies_are_enumerated(seeded):
    game = _game(seeded)
    estimate = owen_values(game, Hierarchy(levels=(GROUPS,)))
    assert estimate.members.exact
    assert estimate.members.residual().max() < 1e-9
    groups = exact_shapley(UnitGame(game=game, unit_of=GROUPS)).effects
    assert estimate.groups.effects == pytest.approx(groups, abs=1e-9)


def test_one_group_of_all_and_groups_of_one_are_shapley_values(seeded):
    game = _game(seeded, rows=1)
    plain = exact_shapley(game).effects
    for level in (np.zeros(PLAYERS, dtype=np.int64), np.arange(PLAYERS)):
        weights = owen_weights(Hierarchy(levels=(level,)))
        owen = np.einsum("ps,nsc->npc", weights, coalition_values(game))
        assert owen == pytest.approx(plain, abs=1e-9)


def test_three_levels_add_up_and_unopened_groups_stay_unknown(seeded):
    game = _game(seeded, rows=1)
    outer = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    nested = owen_values(game, Hierarchy(levels=(outer, GROUPS)), stop=LONG, open_largest=None)
    top, middle, players = (level.effects[0] for level in nested.levels)
    for unit in range(2):
        inside = np.unique(GROUPS[outer == unit])
        assert middle[inside].sum(axis=0) == pytest.approx(top[unit], abs=1e-9)
        assert players[outer == unit].sum(axis=0) == pytest.approx(top[unit], abs=1e-9)
    one = owen_values(game, Hierarchy(levels=(GROUPS,)), stop=LONG, open_largest=1)
    known = ~np.isnan(one.members.effects[0, :, 0])
    largest = np.abs(one.groups.effects[0]).max(axis=1).argmax()
    assert np.array_equal(known, largest == GROUPS)


def test_players_may_own_cells_of_several_inputs(seeded):
    game = FieldsGame(
        predict=lambda b: b["a"].sum(axis=1, keepdims=True) * b["b"][:, 0, :1] + b["c"],
        cases={"a": np.ones((1, 2)), "b": np.full((1, 3, 2), 2.0), "c": np.full((1, 1), 7.0)},
        background={"a": np.zeros((4, 2)), "b": seeded.normal(size=(4, 3, 2))},
        player_of_cell={"a": np.array([0, 1]), "b": np.full((1, 1), 2)},
        players=3,
    )
    estimate = permutation_shapley(game)
    assert estimate.effects == pytest.approx(exact_shapley(game).effects, abs=0.05)
    assert estimate.scores == pytest.approx(11.0)
    assert estimate.residual().max() < 1e-12


def test_inside_small_groups_all_coalitions_are_enumerated_on_every_level(seeded):
    """Nested levels against orders drawn by the thousand; nothing is left to chance."""
    game = _game(seeded, rows=1)
    outer = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    many = Stop(relative=0.0, absolute=0.0, min_cycles=500, max_cycles=500)
    exact = owen_values(game, Hierarchy(levels=(outer, GROUPS)), stop=many)
    assert exact.members.exact
    assert exact.members.residual().max() < 1e-9
    assert (exact.members.se == 0).all()
    walk = {"game": game, "hierarchy": exact.hierarchy, "depth": 2, "scale": np.ones((1, 2))}
    for unit in range(3):
        drawn, _ = Walk(unit=unit, **walk).run(many, seed=1)
        own = exact.members.effects[:, unit == GROUPS]
        assert np.abs(drawn.mean() - own).max() <= 4.5 * drawn.se().max()


def test_a_slow_model_is_sampled_within_its_time(seeded, clock):
    game = _game(seeded, rows=1)

    def slowly(batch):
        clock.now += 0.05
        return _function(batch)

    slow = dataclasses.replace(game, predict=slowly, _cache={})
    hurried = Stop(seconds=1.0, max_cycles=3)
    assert shapley_values(game, stop=hurried).exact
    assert not shapley_values(slow, stop=hurried).exact


def test_hierarchies_that_are_none_are_refused(seeded):
    with pytest.raises(ExplanationError, match="numbers its groups"):
        Hierarchy(levels=(np.array([0, 2, 2]),))
    with pytest.raises(ExplanationError, match="lies in two groups"):
        Hierarchy(levels=(np.array([0, 1, 1]), np.array([0, 0, 1])))
    with pytest.raises(ExplanationError, match="same players"):
        Hierarchy(levels=())
    with pytest.raises(ExplanationError, match="expected 10 players"):
        owen_values(_game(seeded), Hierarchy(levels=(np.array([0, 1]),)))


def test_intervals_of_members_cover_the_truth(seeded):
    """Nominal 95 % under the stopping rule; 4 standard errors of the count are allowed."""
    game, groups = _game(seeded), Hierarchy(levels=(GROUPS,))
    truth = np.einsum("ps,nsc->npc", owen_weights(groups), coalition_values(game))
    inside = []
    stop = Stop(relative=0.1, absolute=0.05, max_cycles=12)
    for seed in range(40):
        found = owen_values(game, groups, seed=seed, stop=stop, open_largest=3).members
        sampled = found.se > 1e-9
        inside += (np.abs(found.effects - truth) <= 1.96 * found.se)[sampled].tolist()
    assert len(inside) > 500
    assert abs(np.mean(inside) - 0.95) < 0.04
