"""Structured regression for intersections: small cells borrow from those they share a level with.

The estimate of a cell is main effects of its levels, interactions of pairs of levels, and a
departure of its own. Main effects are fitted freely. Interactions are chosen by an L1 penalty with
inverse-variance weights, the penalty by BIC (after Herlihy, Truong, Chouldechova and Dudik, FAccT
2024, arXiv 2401.14893, who penalise every column), and then fitted freely, so that they are not
drawn to nothing. What is left of a cell is drawn to the model by empirical Bayes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray

_PENALTIES = 16
_SMALLEST = 0.05
_SWEEPS = 60
_TOLERANCE = 1e-4
_NOTHING = 1e-6

Term = tuple[tuple[int, int], ...]
"""(attribute, level) of each level that a column joins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredFit:
    """Estimates of every cell under the structured model.

    Attributes:
        additive: What main effects alone predict, (cells,).
        value: Estimates drawn to the model, (cells,).
        error: Their standard errors.
        own_weight: How much of its own departure each cell keeps.
        terms: Interactions that the penalty kept.
        effects: Their effects, one for each.
        statistic: χ² of the departures from the additive model.
        df: Its degrees of freedom.
    """

    additive: FloatArray
    value: FloatArray
    error: FloatArray
    own_weight: FloatArray
    terms: tuple[Term, ...]
    effects: FloatArray
    statistic: float
    df: int


def fit_structured(cells: IntArray, values: FloatArray, variances: FloatArray) -> StructuredFit:
    """Fit the structured model to estimates on a scale on which effects add up.

    Args:
        cells: Level of each cell in each attribute, (cells, attributes).
        values: Estimates, (cells,).
        variances: Their variances.
    """
    root = 1 / np.sqrt(variances)
    main = _main_effects(cells) * root[:, None]
    y = values * root
    projection = main @ np.linalg.pinv(main)
    additive = projection @ y
    df = len(y) - int(np.linalg.matrix_rank(main))
    terms, columns = _interactions(cells)
    chosen = _chosen(columns * root[:, None], y, projection)
    kept = columns[:, chosen] * root[:, None]
    both = np.hstack((main, kept))
    inverse = np.linalg.pinv(both)
    theta = inverse @ y
    fitted, leverage = both @ theta, np.einsum("ij,ji->i", both, inverse)
    free = len(y) - int(np.linalg.matrix_rank(both))
    left = float(((y - fitted) ** 2).sum())
    between = max(0.0, (left - free) / float((root**2).sum())) if free > 0 else 0.0
    keep = between / (between + variances)
    of_model = np.sqrt(np.clip(leverage, 0, 1) * variances)
    return StructuredFit(
        additive=additive / root,
        value=(fitted + keep * (y - fitted)) / root,
        error=np.sqrt(keep * variances + (1 - keep) ** 2 * of_model**2),
        own_weight=keep,
        terms=tuple(term for term, here in zip(terms, chosen, strict=True) if here),
        effects=theta[main.shape[1] :],
        statistic=float(((y - additive) ** 2).sum()),
        df=df,
    )


def _chosen(columns: FloatArray, y: FloatArray, projection: FloatArray) -> BoolArray:
    """Return the interactions that the penalty with the least BIC keeps."""
    none = np.zeros(columns.shape[1], dtype=np.bool_)
    x, rest = columns - projection @ columns, y - projection @ y
    highest = float(np.abs(x.T @ rest).max(initial=0.0))
    if highest <= 0:
        return none
    grid = highest * np.geomspace(1, _SMALLEST, _PENALTIES)
    paths = lasso(x, np.repeat(rest[:, None], len(grid), axis=1), grid)
    # At the largest penalty a column may or may not be 0, by the last digit: that is no choice.
    kept = np.abs(paths) > _NOTHING
    losses = ((rest[:, None] - x @ np.where(kept, paths, 0.0)) ** 2).sum(axis=0)
    best = int(np.argmin(losses + np.log(len(y)) * kept.sum(axis=0)))
    return np.asarray(kept[:, best])


def lasso(x: FloatArray, y: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return argmin ½‖y - xθ‖² + λ‖θ‖₁ for several y and λ at once, by coordinate descent.

    Friedman, Hastie and Tibshirani, J Stat Softw 33 (2010) 1-22.

    Args:
        x: Columns, (n, terms).
        y: Targets, (n, fits).
        penalties: λ of each fit.

    Returns:
        θ, (terms, fits).
    """
    gram, inner = x.T @ x, x.T @ y
    squares = np.diag(gram)
    usable = np.flatnonzero(squares > 1e-9 * squares.max(initial=0.0))
    theta = np.zeros((x.shape[1], y.shape[1]))
    for _ in range(_SWEEPS):
        moved = 0.0
        for index in usable:
            slope = inner[index] - gram[index] @ theta + squares[index] * theta[index]
            new = np.sign(slope) * np.maximum(np.abs(slope) - penalties, 0) / squares[index]
            moved = max(moved, float(np.abs(new - theta[index]).max()))
            theta[index] = new
        if moved < _TOLERANCE:
            break
    return theta


def _main_effects(cells: IntArray) -> FloatArray:
    """Return intercept and one column per level but the first of each attribute."""
    columns = [np.ones(len(cells))]
    for attribute in cells.T:
        columns += [(attribute == level).astype(np.float64) for level in np.unique(attribute)[1:]]
    return np.stack(columns, axis=1)


def _interactions(cells: IntArray) -> tuple[list[Term], FloatArray]:
    """Return a column for every pair of levels of two attributes, the first of each left out.

    Columns of the first levels are sums of the others and of main effects: with them, which of
    several equal columns is chosen would be chance.
    """
    terms: list[Term] = []
    for first, second in itertools.combinations(range(cells.shape[1]), 2):
        pairs = np.unique(cells[:, [first, second]], axis=0).tolist()
        lowest = cells[:, first].min(), cells[:, second].min()
        terms += [((first, a), (second, b)) for a, b in pairs if a != lowest[0] and b != lowest[1]]
    columns = [np.all([cells[:, at] == level for at, level in term], axis=0) for term in terms]
    if not terms:
        return terms, np.zeros((len(cells), 0))
    return terms, np.stack(columns, axis=1).astype(np.float64)
