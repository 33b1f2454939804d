"""Exact Owen values of two levels by enumeration: the reference of the estimated ones."""

from __future__ import annotations

from math import factorial

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley.exact import coalitions
from audits.explanations.shapley.hierarchy import Hierarchy

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


def _weight(count: int) -> npt.NDArray[np.float64]:
    """Return s! (count - s - 1)! / count! for s of the others already present."""
    whole = factorial(count)
    return np.array([factorial(s) * factorial(count - s - 1) / whole for s in range(count)])
