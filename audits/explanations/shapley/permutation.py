"""The antithetic permutation estimator: one background row per pair, whole cycles only.

A pair is a random permutation and its reverse, filled from one background row. Background rows
are walked through without replacement, so that after every whole cycle the effects add up to
f(x) - mean f(background) exactly, and models without interactions above second order are exact.
Cycles are independent and unbiased, so their spread is the standard error. Antithetic
permutations: Mitchell et al., JMLR 23 (2022).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley.cycles import Totals, cycles_at_once, masks_per_step
from audits.explanations.shapley.estimate import ShapleyEstimate, Stop

if TYPE_CHECKING:
    from audits.explanations.shapley.games import Game, Indices, Masks, Values


def permutation_shapley(game: Game, *, seed: int = 0, stop: Stop | None = None) -> ShapleyEstimate:
    """Estimate Shapley values of every player for every case and output.

    Args:
        game: Players, cases and background. Every background row is used in every cycle.
        seed: Seed of permutations and of the order of the background.
        stop: When to stop; a row that is precise enough is not evaluated further.

    Returns:
        Effects with standard errors from the spread of cycles.
    """
    rule = stop or Stop()
    rng = np.random.default_rng(seed)
    scores, backgrounds = game.at_rows(), game.at_background()
    shape = (game.rows, game.players, scores.shape[1])
    totals = Totals.empty(shape)
    active = np.arange(game.rows)
    evaluations = 0
    started = time.monotonic()
    while active.size:
        cost = 2 * (game.players - 1) * game.backgrounds * len(active)
        count = cycles_at_once(int(totals.cycles[active[0]]), rule, cost)
        totals.add(active, _cycles(count, game, active, scores[active], backgrounds, rng))
        evaluations += count * cost
        target = _target(totals, backgrounds, rule)
        done = totals.is_done(active, target, rule, time.monotonic() - started)
        active = active[~done]
    return ShapleyEstimate(
        effects=totals.mean(),
        se=totals.se(),
        base=backgrounds.mean(axis=0),
        scores=scores,
        cycles=totals.cycles,
        evaluations=evaluations,
        exact=False,
    )


def _target(totals: Totals, backgrounds: Values, rule: Stop) -> npt.NDArray[np.float64]:
    largest = np.abs(totals.effect).max(axis=1) / np.maximum(totals.cycles, 1)[:, None]
    return np.asarray(np.maximum(rule.relative * largest, rule.absolute * backgrounds.std(axis=0)))


def _cycles(
    cycles: int,
    game: Game,
    rows: Indices,
    scores: Values,
    backgrounds: Values,
    rng: np.random.Generator,
) -> Values:
    """Return the mean effects of some cycles, (cycles, rows, players, outputs).

    A cycle has one pair for every background row.
    """
    order = np.concatenate([rng.permutation(game.backgrounds) for _ in range(cycles)])
    steps = 2 * max(game.players - 1, 1)
    pairs = max(1, masks_per_step(game.players, len(rows)) // steps)
    total = np.zeros((cycles, len(rows), game.players, scores.shape[1]))
    for start in range(0, len(order), pairs):
        used = order[start : start + pairs]
        shuffled = rng.permuted(np.tile(np.arange(game.players), (len(used), 1)), axis=1)
        effects = _pair_effects(game, rows, scores, used, backgrounds[used], shuffled)
        np.add.at(total, np.arange(start, start + len(used)) // game.backgrounds, effects)
    return total / game.backgrounds


def _pair_effects(
    game: Game,
    rows: Indices,
    scores: Values,
    used: Indices,
    at_used: Values,
    rank: Indices,
) -> Values:
    """Return effects in every pair, (pairs, rows, players, outputs)."""
    pairs, players = rank.shape
    outputs = scores.shape[1]
    ends = (len(rows), pairs, 1, outputs)
    at_case = np.broadcast_to(scores[:, None, None], ends)
    at_other = np.broadcast_to(at_used[None, :, None], ends)
    forward, reverse = _hybrid_values(game, rows, used, rank, outputs)
    rising = np.concatenate([at_other, forward, at_case], axis=2)
    falling = np.concatenate([at_case, reverse, at_other], axis=2)
    step = 0.5 * (np.diff(rising, axis=2) - np.diff(falling, axis=2))
    place = np.broadcast_to(rank[None, :, :, None], (len(rows), pairs, players, outputs))
    return np.moveaxis(np.take_along_axis(step, place, axis=2), 1, 0)


def _hybrid_values(
    game: Game, rows: Indices, used: Indices, rank: Indices, outputs: int
) -> tuple[Values, Values]:
    """Return f of all prefixes and of their complements, each (rows, pairs, players-1, outputs)."""
    pairs, players = rank.shape
    shape = (len(rows), pairs, players - 1, outputs)
    if players == 1:
        return np.empty(shape), np.empty(shape)
    prefix: Masks = rank[:, None, :] < np.arange(1, players)[None, :, None]
    masks = np.concatenate([prefix, ~prefix], axis=1).reshape(-1, players)
    values = game.hybrids(rows, np.repeat(used, 2 * (players - 1)), masks)
    both = values.reshape(len(rows), pairs, 2, players - 1, outputs)
    return both[:, :, 0], both[:, :, 1]
