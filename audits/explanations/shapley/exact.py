"""Exact Shapley values by enumeration of all coalitions (Shapley, 1953)."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.shapley.estimate import EXACT_PLAYERS, ShapleyEstimate

if TYPE_CHECKING:
    from audits.explanations.shapley.games import Game, Masks

HYBRIDS_PER_STEP = 1 << 15


def exact_shapley(game: Game) -> ShapleyEstimate:
    """Enumerate every coalition against every background row.

    Args:
        game: At most 14 players; cost 2^players x backgrounds evaluations per case.

    Returns:
        Exact effects, standard errors 0.

    Raises:
        ExplanationError: If there are more than 14 players.
    """
    if game.players > EXACT_PLAYERS:
        raise ExplanationError(
            f"exact Shapley values: expected at most {EXACT_PLAYERS} players, found "
            f"{game.players}; use the permutation estimator"
        )
    value = coalition_values(game)
    effects = np.einsum("ps,nsc->npc", coalition_weights(game.players), value)
    return ShapleyEstimate(
        effects=effects,
        se=np.zeros_like(effects),
        base=game.at_background().mean(axis=0),
        scores=game.at_rows(),
        cycles=np.zeros(game.rows, dtype=np.int64),
        evaluations=2**game.players * game.backgrounds * game.rows,
        exact=True,
    )


def coalitions(players: int) -> Masks:
    """Return all 2^players masks, (2^players, players); row 0 is empty, the last row full."""
    codes = np.arange(2**players)
    return np.asarray((codes[:, None] >> np.arange(players)) & 1, dtype=bool)


def coalition_weights(players: int) -> npt.NDArray[np.float64]:
    """Return (players, 2^players): the weight of every coalition's value in every effect."""
    masks = coalitions(players)
    sizes = masks.sum(axis=1)
    whole = factorial(players)
    inside = np.array(
        [0.0] + [factorial(s - 1) * factorial(players - s) / whole for s in range(1, players + 1)]
    )
    outside = np.array(
        [factorial(s) * factorial(players - s - 1) / whole for s in range(players)] + [0.0]
    )
    return np.asarray(np.where(masks, inside[sizes, None], -outside[sizes, None]).T)


def coalition_values(game: Game, masks: Masks | None = None) -> npt.NDArray[np.float64]:
    """Return the mean over the background of coalitions, (rows, masks, outputs).

    Args:
        game: The game.
        masks: (masks, players); default all 2^players.
    """
    if masks is None:
        masks = coalitions(game.players)
    rows = np.arange(game.rows)
    count = game.backgrounds
    step = max(1, HYBRIDS_PER_STEP // (count * game.rows))
    parts = []
    for start in range(0, len(masks), step):
        part = masks[start : start + step]
        values = game.hybrids(
            rows, np.tile(np.arange(count), len(part)), np.repeat(part, count, axis=0)
        )
        parts.append(values.reshape(game.rows, len(part), count, -1).mean(axis=2))
    return np.concatenate(parts, axis=1)
