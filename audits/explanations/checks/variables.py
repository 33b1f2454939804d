"""Do effects of variables point at what moves the score, and would another cohort turn them over?

Two tests of one case. *Deletion rank*: variables are replaced by those of background rows in the
order of their effects, and the mean score on the way is compared with that of 19 other orders.
*Sign stability*: effects are computed against disjoint tenths of the background; resampling the
tenths shows how often a leading effect would have had the other sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.names import DELETION, FEWEST_PLAYERS, SIGNS
from audits.explanations.checks.running import rank_check
from audits.explanations.result import Check, Verdict
from audits.explanations.shapley import Game, Stop, shapley_values

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background
    from model_adapters.base import ModelAdapter

OTHERS = 19
STEPS = 12
FILLS = 32
PARTS = 10
FEWEST_PARTS = 4
ROWS_PER_PART = 5
RESAMPLES = 500
STABLE = 0.95
LEADING = 5
LEADING_SHARE = 0.1
ROUNDING = 5e-6
"""Share of a score up to which two are the same: a network computes in 32 bits."""
PART_STOP = Stop(relative=0.0, absolute=0.0, min_cycles=3, max_cycles=3)

Floats = npt.NDArray[np.float64]
CaseChecks = dict[int, tuple[Check, ...]]


def checks_of_variables(
    adapter: ModelAdapter,
    prepared: Mapping[str, Any],
    background: Background,
    method: str,
    effects: Mapping[int, Floats],
    *,
    seed: int = 0,
) -> list[CaseChecks]:
    """Test the effects of some cases.

    Args:
        adapter: The model.
        prepared: n cases; only one where the model has other inputs.
        background: What the effects are measured against.
        method: How they were computed.
        effects: Output -> effects, (n, players).
        seed: Seed of the other orders and of the resamples.

    Returns:
        For each case its checks by output.
    """
    game = _game(adapter, prepared, background)
    replicates = _replicates(adapter, prepared, background, method, seed)
    out: list[CaseChecks] = []
    for row in range(game.rows):
        of_case: CaseChecks = {}
        for output, values in effects.items():
            drawn = None if replicates is None else replicates[:, row, :, output]
            of_case[output] = (
                deletion_check(game, output, values[row], row=row, seed=seed),
                sign_check(values[row], drawn),
            )
        out.append(of_case)
    return out


def _game(adapter: ModelAdapter, prepared: Mapping[str, Any], background: Background) -> Game:
    from audits.explanations.spaces import explained
    from audits.explanations.variables import table_field, table_game
    from audits.explanations.wide_tables import played

    space = adapter.output.space
    field = table_field(adapter)
    game = table_game(
        lambda batch: explained(adapter.predict(batch), space), field, prepared, background
    )
    return played(field, game)


def deletion_check(
    game: Game, output: int, effects: Floats, *, row: int = 0, seed: int = 0
) -> Check:
    """Rank the order of the effects among 19 random orders of taking players out.

    Where no order moves the score at all, as against a background that is the case itself, nothing
    was taken out and no order is better than another: not checked.

    Args:
        game: Whose players are taken out.
        output: Which output.
        effects: (players,).
        row: Which case of the game.
        seed: Seed of the other orders.
    """
    if game.players < FEWEST_PLAYERS:
        return Check(name=DELETION, value=None, null=None, verdict="not_checked")
    areas = deletion_areas(game, row, output, orders_of(effects, seed))
    own = float(game.at_rows()[row, output])
    still = np.append(areas, game.at_background()[:, output])
    if np.abs(still - own).max() <= ROUNDING * max(1.0, abs(own)):
        return Check(name=DELETION, value=None, null=None, verdict="not_checked")
    return rank_check(float((1 + (areas[1:] <= areas[0]).sum()) / len(areas)))


def orders_of(effects: Floats, seed: int) -> npt.NDArray[np.int64]:
    """Return ranks of the players, (20, players): by effect, then 19 other orders at random.

    The order itself is never drawn again: it would tie with itself and tell nothing.
    """
    own = np.argsort(np.argsort(-effects, kind="stable"))
    rng = np.random.default_rng(seed)
    ranks = [own]
    while len(ranks) <= OTHERS:
        other = rng.permutation(len(own))
        if not np.array_equal(other, own):
            ranks.append(other)
    return np.stack(ranks)


def deletion_areas(game: Game, row: int, output: int, ranks: npt.NDArray[np.int64]) -> Floats:
    """Return the mean score while variables are replaced in each order; low is good.

    Args:
        game: Whose players are replaced.
        row: Which case.
        output: Which output.
        ranks: (orders, players), 0 is replaced first.
    """
    orders, players = ranks.shape
    counts = np.unique(np.linspace(1, players - 1, min(STEPS, players - 1)).round().astype(int))
    fills = np.arange(min(FILLS, game.backgrounds))
    masks = ranks[:, None, :] >= counts[None, :, None]
    repeated = np.repeat(masks.reshape(-1, players), len(fills), axis=0)
    values = game.hybrids(np.array([row]), np.tile(fills, orders * len(counts)), repeated)[
        0, :, output
    ]
    return np.asarray(values.reshape(orders, -1).mean(axis=1))


def sign_check(effects: Floats, replicates: Floats | None) -> Check:
    """Return whether leading effects keep their sign when the background is drawn again.

    Leading are up to five effects of at least a tenth of the largest. *Reflects* if each keeps its
    sign in 95 % of resamples, *fails* if the largest does not, else *weak*.

    Args:
        effects: (players,).
        replicates: (resamples, players), or None where there are none.
    """
    if replicates is None or not effects.any():
        return Check(name=SIGNS, value=None, null=None, verdict="not_checked")
    size = np.abs(effects)
    leading = np.argsort(-size, kind="stable")[:LEADING]
    leading = leading[size[leading] >= LEADING_SHARE * size.max()]
    kept = (np.sign(replicates[:, leading]) == np.sign(effects[leading])).mean(axis=0)
    verdict: Verdict = "reflects" if kept.min() >= STABLE else "weak"
    if kept[0] < STABLE:
        verdict = "fails"
    return Check(name=SIGNS, value=float(kept.min()), null=STABLE, verdict=verdict)


def _replicates(
    adapter: ModelAdapter,
    prepared: Mapping[str, Any],
    background: Background,
    method: str,
    seed: int,
) -> Floats | None:
    """Return effects under resampled backgrounds, (resamples, rows, players, outputs)."""
    parts = min(PARTS, background.id.n // ROWS_PER_PART)
    if method == "tree_path" or parts < FEWEST_PARTS:
        return None
    shuffled = np.random.default_rng(seed).permutation(background.id.n)
    effects = np.stack(
        [
            _part_effects(
                adapter, prepared, rows_of_background(background, np.sort(rows)), method, seed
            )
            for rows in np.array_split(shuffled, parts)
        ]
    )
    weights = np.random.default_rng(seed).multinomial(
        parts, np.full(parts, 1 / parts), size=RESAMPLES
    )
    return np.asarray(np.tensordot(weights / parts, effects, axes=1))


def _part_effects(
    adapter: ModelAdapter,
    prepared: Mapping[str, Any],
    background: Background,
    method: str,
    seed: int,
) -> Floats:
    if method == "tree_interventional":
        from audits.explanations.tree_models import interventional_estimate

        return interventional_estimate(adapter, prepared, background, seed=seed)[0].effects
    game = _game(adapter, prepared, background)
    return shapley_values(game, seed=seed, stop=PART_STOP).effects


def rows_of_background(background: Background, rows: npt.NDArray[np.int64]) -> Background:
    """Return a background of some of its rows."""
    from dataclasses import replace

    return replace(
        background,
        id=replace(background.id, n=len(rows)),
        case_ids=tuple(background.case_ids[row] for row in rows),
        prepared={name: value[rows] for name, value in background.prepared.items()},
    )
