"""Effects of variables in linear and logistic models: closed form, no sampling.

Without interactions the Shapley value of a variable is its own term minus the cohort's mean of
it: w (x - E x) for a linear column, and the sum over its columns for an encoded variable
(Štrumbelj and Kononenko, Knowl Inf Syst 41, 2014). Terms are read off the model itself, with
everything else held at one background row, so that a pipeline's own encoding stays inside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley import FieldsGame, ShapleyEstimate, Stop, shapley_values
from audits.explanations.shapley.estimate import RESIDUAL_LIMIT
from audits.types import Finding

if TYPE_CHECKING:
    from audits.explanations.request import Request
    from audits.explanations.result import CaseExplanation, Method

Floats = npt.NDArray[np.float64]

NOT_ADDITIVE = (
    "The model is declared linear and its terms do not add up to its score; sampled Shapley "
    "values stand in."
)


def explain_by_closed_form(request: Request, method: Method) -> CaseExplanation:
    """Explain one score of a linear or logistic model.

    Args:
        request: The case.
        method: ``linear``.
    """
    from audits.explanations.variables import explanation_of_estimate, table_field, table_game

    background = request.background()
    game = table_game(request.predict, table_field(request.adapter), request.prepared, background)
    estimate, additive = linear_estimate(game, seed=request.seed)
    return explanation_of_estimate(
        request,
        estimate,
        background,
        game=game,
        method=method if additive else "shapley",
        findings=() if additive else linear_findings(),
    )


def linear_findings() -> tuple[Finding, ...]:
    """Return the finding that says why sampled Shapley values stand in."""
    return (Finding(severity="warning", where="explanations.method", message=NOT_ADDITIVE),)


def linear_estimate(
    game: FieldsGame, *, seed: int = 0, stop: Stop | None = None
) -> tuple[ShapleyEstimate, bool]:
    """Return effects in closed form, and whether they are those of the model.

    Where they do not add up to the score of every case, the model has interactions after all and
    the effects are sampled; the estimand is the same.

    Args:
        game: A game of one table.
        seed: Seed of the sampled estimate, where it is needed.
        stop: When that stops.
    """
    terms = _terms(game, game)
    cohort = replace(game, cases=dict(game.background), _cache={})
    effects = terms - _terms(cohort, game).mean(axis=0)
    estimate = ShapleyEstimate(
        effects=effects,
        se=np.zeros_like(effects),
        base=game.at_background().mean(axis=0),
        scores=game.at_rows(),
        cycles=np.zeros(game.rows, dtype=np.int64),
        evaluations=(game.players + 1) * (game.rows + game.backgrounds),
        exact=True,
    )
    if float(estimate.residual().max(initial=0.0)) <= RESIDUAL_LIMIT:
        return estimate, True
    return shapley_values(game, seed=seed, stop=stop), False


def _terms(game: FieldsGame, origin: FieldsGame) -> Floats:
    """Return f with one variable of the case and the rest of one background row, minus f there."""
    rows = np.arange(game.rows)
    alone = np.eye(game.players, dtype=bool)
    values = game.hybrids(rows, np.zeros(game.players, dtype=np.int64), alone)
    return np.asarray(values - origin.at_background()[0])
