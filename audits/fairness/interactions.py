"""Does an intersection stand out beyond what its marginals explain?"""

from __future__ import annotations

import numpy as np

from audits.fairness.rates import Z95
from audits.fairness.types import FloatArray, IntArray
from audits.types import Estimate

METHOD = "departure from the additive model, weighted least squares"


def empirical_logits(k: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return logits of k/n and their variances, half a case added to each side."""
    hits, misses = k + 0.5, n - k + 0.5
    return np.log(hits / misses), 1 / hits + 1 / misses


def departure(cells: IntArray, values: FloatArray, variances: FloatArray, index: int) -> Estimate:
    """Return a cell's distance from what an additive model of all other cells predicts.

    Args:
        cells: Level of each cell in each attribute, (cells, attributes).
        values: Estimate of each cell on the scale on which effects add up.
        variances: Their variances.
        index: The cell in question.

    Returns:
        The departure with a 95 % interval; undefined where the other cells do not determine it.
    """
    used = np.isfinite(values) & np.isfinite(variances) & (variances > 0)
    if not used[index]:
        return Estimate.undefined("the cell has no estimate", method=METHOD)
    others = used.copy()
    others[index] = False
    design = _design(cells)
    weight = 1 / variances[others]
    matrix = design[others]
    information = matrix.T @ (matrix * weight[:, None])
    inverse = np.linalg.pinv(information, hermitian=True)
    row = design[index]
    if not np.allclose(information @ inverse @ row, row, atol=1e-6):
        return Estimate.undefined("the other cells do not determine its marginals", method=METHOD)
    effects = inverse @ (matrix.T @ (weight * values[others]))
    gap = float(values[index] - row @ effects)
    half = Z95 * float(np.sqrt(variances[index] + row @ inverse @ row))
    return Estimate(value=gap, low=gap - half, high=gap + half, n=int(used.sum()), method=METHOD)


def _design(cells: IntArray) -> FloatArray:
    """Return intercept and one column per level but the first of each attribute."""
    columns = [np.ones(len(cells))]
    for attribute in cells.T:
        columns += [(attribute == level).astype(np.float64) for level in np.unique(attribute)[1:]]
    return np.stack(columns, axis=1)
