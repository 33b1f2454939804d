"""A calibration curve for each group, fitted on one half of the patients."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from audits.fairness.causes.logistic import fit_logistic, safe_logit
from audits.fairness.types import BoolArray, FloatArray


def logistic_curve(p: FloatArray, y: BoolArray, at: FloatArray) -> FloatArray | None:
    """Return probabilities recalibrated by ``logit P(y) = a + b·logit(p)`` (Platt 1999).

    Args:
        p: Probabilities that the curve is fitted on, (n,).
        y: Labels of these, (n,).
        at: Probabilities to recalibrate, (m,).

    Returns:
        Recalibrated probabilities, (m,), or None where the fit is not unique or falls.
    """
    beta = fit_logistic(np.column_stack([np.ones(len(p)), safe_logit(p)]), y)
    if beta is None or beta[1] <= 0:
        return None
    return np.asarray(1 / (1 + np.exp(-(beta[0] + beta[1] * safe_logit(at)))))


def isotonic_curve(p: FloatArray, y: BoolArray, at: FloatArray) -> FloatArray:
    """Return probabilities recalibrated by a rising step function, joined by straight lines.

    Zadrozny and Elkan 2002; outside the fitted range the nearest value holds.

    Args:
        p: Probabilities that the curve is fitted on, (n,).
        y: Labels of these, (n,).
        at: Probabilities to recalibrate, (m,).
    """
    places, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    means = np.bincount(inverse.reshape(-1), y) / counts
    fitted = isotonic_regression(means, weights=counts.astype(np.float64))
    return np.asarray(np.interp(at, places, fitted.x))
