"""Interventional Shapley values over clinical variables, with their error printed.

The value of a coalition S of players, for a case x against a background cohort, is the mean of
f(x_S, b_notS) over the background rows b. Effects are in the unit of the explained score and add
up to f(x) - mean f(b).
"""

from audits.explanations.shapley.estimate import ShapleyEstimate, Stop, shapley_values
from audits.explanations.shapley.exact import exact_shapley
from audits.explanations.shapley.games import CellGame, Game
from audits.explanations.shapley.permutation import permutation_shapley

__all__ = [
    "CellGame",
    "Game",
    "ShapleyEstimate",
    "Stop",
    "exact_shapley",
    "permutation_shapley",
    "shapley_values",
]
