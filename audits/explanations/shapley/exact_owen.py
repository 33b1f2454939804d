"""Exact Owen values by enumeration: of two levels whole, and of what lies inside one group."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley.exact import coalition_values, coalition_weights, coalitions
from audits.explanations.shapley.hierarchy import Hierarchy

if TYPE_CHECKING:
    from audits.explanations.shapley.games import Game, Masks, Values

Ints = npt.NDArray[np.int64]


def owen_weights(groups: Hierarchy) -> npt.NDArray[np.float64]:
    """Return (players, 2^players): the weight of every coalition's value in every Owen value.

    A coalition counts for a player only if every other group is in it whole or not at all; its
    weight is the Shapley weight among the groups times that among the player's fellows
    (Owen, in Essays in Mathematical Economics and Game Theory, 1977).

    Args:
        groups: A hierarchy of one level of groups above the players.
    """
    group_of = groups.levels[0]
    masks = coalitions(len(group_of))
    sizes = np.bincount(group_of)
    inside = np.stack([masks[:, group_of == one].sum(axis=1) for one in range(len(sizes))], axis=1)
    whole, empty = inside == sizes, inside == 0
    out = np.zeros((len(group_of), len(masks)))
    for player, own in enumerate(group_of):
        others = np.delete(np.arange(len(sizes)), own)
        allowed = (whole[:, others] | empty[:, others]).all(axis=1)
        before = whole[:, others].sum(axis=1)
        has = masks[:, player]
        fellows = inside[:, own] - has
        weight = _weight(len(sizes))[before] * _weight(int(sizes[own]))[fellows]
        out[player] = np.where(allowed, np.where(has, weight, -weight), 0.0)
    return out


def coalitions_inside(hierarchy: Hierarchy, depth: int, unit: int) -> int:
    """Return how many coalitions the children of one unit are enumerated over.

    Args:
        hierarchy: The nesting.
        depth: Level of the children in ``hierarchy.steps``.
        unit: The unit of the level above.
    """
    player = int(np.flatnonzero(hierarchy.steps[depth - 1] == unit)[0])
    inside = np.ones(hierarchy.players, dtype=bool)
    others = 0
    for level in hierarchy.steps[:depth]:
        others += len(np.unique(level[inside])) - 1
        inside &= level == level[player]
    return int(2 ** (others + len(np.unique(hierarchy.steps[depth][inside]))))


def enumerated_inside(game: Game, hierarchy: Hierarchy, depth: int, unit: int) -> Values:
    """Return exact Owen values of the children of one unit, (rows, children, outputs).

    Over every coalition of the children, behind every coalition of the other units of each level
    above, which are in it whole or not at all.

    Args:
        game: The whole game.
        hierarchy: The nesting.
        depth: Level of the children in ``hierarchy.steps``.
        unit: The unit of the level above.
    """
    outside, weights = _outside(hierarchy, depth, unit)
    level = hierarchy.steps[depth]
    children = np.unique(level[hierarchy.steps[depth - 1] == unit])
    own = coalitions(len(children)) @ (children[:, None] == level)
    masks = (outside[:, None] | own[None]).reshape(-1, hierarchy.players)
    value = coalition_values(game, masks)
    value = value.reshape(game.rows, len(outside), len(own), -1)
    return np.asarray(np.einsum("ps,o,nosc->npc", coalition_weights(len(children)), weights, value))


def _outside(hierarchy: Hierarchy, depth: int, unit: int) -> tuple[Masks, npt.NDArray[np.float64]]:
    """Return every coalition of units beside the path to one, with its weight; they sum to 1."""
    player = int(np.flatnonzero(hierarchy.steps[depth - 1] == unit)[0])
    masks = np.zeros((1, hierarchy.players), dtype=bool)
    weights = np.ones(1)
    inside = np.ones(hierarchy.players, dtype=bool)
    for level in hierarchy.steps[:depth]:
        others = np.setdiff1d(np.unique(level[inside]), level[player])
        chosen = coalitions(len(others))
        part = chosen @ (others[:, None] == level)
        masks = (masks[:, None] | part[None]).reshape(-1, hierarchy.players)
        weights = np.outer(weights, _weight(len(others) + 1)[chosen.sum(axis=1)]).ravel()
        inside &= level == level[player]
    return masks, weights


def _weight(count: int) -> npt.NDArray[np.float64]:
    """Return s! (count - s - 1)! / count! for s of the others already present."""
    whole = factorial(count)
    return np.array([factorial(s) * factorial(count - s - 1) / whole for s in range(count)])
