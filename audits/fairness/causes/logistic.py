"""Logistic regression by Newton's method, small and without options."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from audits.fairness.types import BoolArray, FloatArray

_STEPS = 40
_REACH = 8.0
"""Largest change of a log odds in one step."""
_HALVINGS = 20
_TOLERANCE = 1e-8
"""Of the last step: Newton's method squares the error, so what is left is rounding."""
_COLLINEAR = 1e-10
_FLOOR = 1e-9
Matrix = FloatArray


def fit_logistic(design: Matrix, y: FloatArray | BoolArray) -> FloatArray | None:
    """Return maximum-likelihood coefficients, or None where they do not exist or are not unique.

    Newton's method over an orthonormal basis of the columns: those of a spline are nearly
    collinear beyond its outer knots, and steps in their own coefficients run astray. A step that
    does not raise the likelihood is halved. Where a column separates the labels the fitted
    log odds go on growing by about one a step, so no step becomes small.

    Args:
        design: Columns with the intercept among them, (n, p).
        y: Labels, (n,).
    """
    labels = np.asarray(y, dtype=np.float64)
    q, r = np.linalg.qr(design)
    pivots = np.abs(np.diag(r))
    if len(pivots) < design.shape[1] or not pivots.min() > _COLLINEAR * pivots.max():
        return None
    basis = q * np.sqrt(len(labels))  # coefficients are then of the size of the log odds
    gamma = np.zeros(design.shape[1])
    now = deviance(basis, labels, gamma)
    for _ in range(_STEPS):
        p = expit(basis @ gamma)
        weight = p * (1 - p)
        try:
            step = np.linalg.solve(basis.T @ (basis * weight[:, None]), basis.T @ (labels - p))
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        if float(np.max(np.abs(step))) < _TOLERANCE:
            return np.asarray(np.linalg.solve(r, (gamma + step) * np.sqrt(len(labels))))
        # A first step straight to log odds of hundreds would leave every weight at 0.
        step *= min(1.0, _REACH / float(np.max(np.abs(basis @ step))))
        then = deviance(basis, labels, gamma + step)
        for _ in range(_HALVINGS):
            if then <= now:
                break
            step /= 2
            then = deviance(basis, labels, gamma + step)
        gamma, now = gamma + step, then
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


def spline_design(score: FloatArray, y: BoolArray) -> Matrix:
    """Return an intercept and a natural spline of the score, (n, 2 to 5).

    It bends as often as the labels bear: where no case with the condition scores low and none
    without it high, as under a sharp model, a spline that bends often has no finite fit.

    Args:
        score: Scores on the scale that the log odds are to follow, (n,).
        y: Labels, (n,).
    """
    intercept = np.ones(len(score))
    for bends in (4, 3, 2):
        design = np.column_stack([intercept, natural_spline(score, bends)])
        if fit_logistic(design, y) is not None:
            return design
    return np.column_stack([intercept, natural_spline(score, 1)])
