"""Logistic regression by Newton's method, small and without options."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from audits.fairness.types import BoolArray, FloatArray

_STEPS = 50
_TOLERANCE = 1e-10
_FLOOR = 1e-9
Matrix = FloatArray


def fit_logistic(design: Matrix, y: FloatArray | BoolArray) -> FloatArray | None:
    """Return maximum-likelihood coefficients, or None where they do not exist or are not unique.

    Args:
        design: Columns with the intercept among them, (n, p).
        y: Labels, (n,).
    """
    labels = np.asarray(y, dtype=np.float64)
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = expit(design @ beta)
        weight = p * (1 - p)
        information = design.T @ (design * weight[:, None])
        try:
            step = np.linalg.solve(information, design.T @ (labels - p))
        except np.linalg.LinAlgError:
            return None
        largest = float(np.max(np.abs(step)))
        if not np.isfinite(largest):
            return None
        # Half steps keep separated data from running away before it is recognised as such.
        beta += step * min(1.0, 5.0 / largest) if largest > 0 else step
        if largest < _TOLERANCE:
            return beta if float(np.max(np.abs(beta))) < 1 / _TOLERANCE else None
    return None


def deviance(design: Matrix, y: FloatArray | BoolArray, beta: FloatArray) -> float:
    """Return −2 log likelihood."""
    eta = design @ beta
    labels = np.asarray(y, dtype=np.float64)
    return float(2 * np.sum(np.logaddexp(0, eta) - labels * eta))


def safe_logit(p: FloatArray) -> FloatArray:
    """Return the log odds, with 0 and 1 moved inwards by 1e-9."""
    return np.asarray(logit(np.clip(p, _FLOOR, 1 - _FLOOR)))


def natural_spline(x: FloatArray, df: int = 4) -> Matrix:
    """Return a natural cubic spline basis without intercept, knots at quantiles, (n, ≤ df).

    Truncated powers as in Hastie, Tibshirani and Friedman (2009), equation 5.4; columns are
    scaled, and fewer knots are used where values repeat.
    """
    spread = float(x.std())
    z = (x - x.mean()) / spread if spread > 0 else x * 0.0
    knots = np.unique(np.quantile(z, np.linspace(0.05, 0.95, df + 1)))
    columns = [z]
    if len(knots) > 2:  # noqa: PLR2004 - a natural spline bends between three knots
        last, before = knots[-1], knots[-2]

        def part(knot: float) -> FloatArray:
            cubes = np.maximum(z - knot, 0) ** 3 - np.maximum(z - last, 0) ** 3
            return np.asarray(cubes / (last - knot))

        columns += [part(knot) - part(before) for knot in knots[:-2]]
    basis = np.column_stack(columns)
    scale = basis.std(axis=0)
    return np.asarray(basis[:, scale > 0] / scale[scale > 0])
