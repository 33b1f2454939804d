"""Interventional Shapley values over clinical variables, with their error printed.

The value of a coalition S of players, for a case x against a background cohort, is the mean of
f(x_S, b_notS) over the background rows b. Effects are in the unit of the explained score and add
up to f(x) - mean f(b).
"""

from audits.explanations.shapley.derived_games import UnitGame
from audits.explanations.shapley.estimate import ShapleyEstimate, Stop, shapley_values
from audits.explanations.shapley.exact import exact_shapley
from audits.explanations.shapley.games import FieldsGame, Game, cell_game
from audits.explanations.shapley.hierarchy import Hierarchy
from audits.explanations.shapley.owen import OwenEstimate, owen_values
from audits.explanations.shapley.permutation import permutation_shapley

__all__ = [
    "FieldsGame",
    "Game",
    "Hierarchy",
    "OwenEstimate",
    "ShapleyEstimate",
    "Stop",
    "UnitGame",
    "cell_game",
    "exact_shapley",
    "owen_values",
    "permutation_shapley",
    "shapley_values",
]
