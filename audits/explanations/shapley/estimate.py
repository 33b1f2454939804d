"""What an estimator returns, when it stops, and which one is used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from audits.explanations.shapley.games import Game, Values

RESIDUAL_FLOOR = 0.01
RESIDUAL_LIMIT = 1e-4
EXACT_PLAYERS = 14
EXACT_EVALUATIONS = 120_000
ALWAYS_CHEAP = 256
PROBED = 8
PATIENCE = 5.0
"""Times the seconds of the stopping rule that enumeration may take: exact is worth a wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When the permutation estimator stops, always after a whole cycle of the background.

    A row is done when every one of its standard errors is below ``relative`` times its largest
    effect, or below ``absolute`` times the background's spread of scores, whichever is larger.

    Attributes:
        relative: Share of the row's largest effect.
        absolute: Share of the standard deviation of the background's scores.
        min_cycles: Cycles before a row may stop; three give a usable standard error.
        max_cycles: Cycles after which the rest is reported with the error it has.
        seconds: Time after which no new cycle starts, once three are done.
    """

    relative: float = 0.03
    absolute: float = 0.01
    min_cycles: int = 3
    max_cycles: int = 40
    seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyEstimate:
    """Effects of every player on every output of every case.

    Attributes:
        effects: (rows, players, outputs) in the unit of the explained score.
        se: Standard errors, same shape; 0 where exact, NaN where one cycle allows none. They are
            widened for few cycles, so that effect +- 1.96 se is a 95 % interval.
        base: (outputs,) mean score of the background.
        scores: (rows, outputs) score of the cases.
        cycles: (rows,) cycles of the background that were walked; 0 where exact.
        evaluations: Model evaluations that were spent.
        exact: Whether coalitions were enumerated.
    """

    effects: npt.NDArray[np.float64]
    se: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    cycles: npt.NDArray[np.int64]
    evaluations: int
    exact: bool

    def residual(self, scores: Values | None = None) -> npt.NDArray[np.float64]:
        """Return |sum of effects - (score - base)| / max(|score - base|, 0.01), (rows, outputs).

        Args:
            scores: Scores to add up to, for example predicted in another batch; default the
                estimator's own. It proves the code and the model's row independence, not the
                explanation.
        """
        shift = (self.scores if scores is None else scores) - self.base
        gap = np.abs(self.effects.sum(axis=1) - shift)
        return np.asarray(gap / np.maximum(np.abs(shift), RESIDUAL_FLOOR))


def shapley_values(game: Game, *, seed: int = 0, stop: Stop | None = None) -> ShapleyEstimate:
    """Return Shapley values: enumerated where that is cheap, else estimated with errors.

    Of a slow model, an endpoint say, coalitions are enumerated only where five times the seconds
    of the stopping rule would do.

    Args:
        game: Players, cases and background.
        seed: Seed of the permutations.
        stop: When the estimator stops.
    """
    from audits.explanations.shapley.exact import exact_shapley
    from audits.explanations.shapley.permutation import permutation_shapley

    rule = stop or Stop()
    needed = 2**game.players * game.backgrounds * game.rows if game.players <= EXACT_PLAYERS else 0
    if 0 < needed <= EXACT_EVALUATIONS and fits_in(game, needed, PATIENCE * rule.seconds):
        return exact_shapley(game)
    return permutation_shapley(game, seed=seed, stop=rule)


def fits_in(game: Game, evaluations: int, seconds: float) -> bool:
    """Return whether a model answers so many questions within some seconds, by a few of them.

    The fastest of three tries counts: a busy machine is no slow model.
    """
    if evaluations <= ALWAYS_CHEAP:
        return True
    masks = np.zeros((PROBED, game.players), dtype=bool)
    for _ in range(3):
        started = time.monotonic()
        game.hybrids(np.array([0]), np.zeros(PROBED, dtype=np.int64), masks)
        if (time.monotonic() - started) / PROBED * evaluations <= seconds:
            return True
    return False
