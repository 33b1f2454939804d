"""A threshold for each group: what would equal sensitivity, or equal error rates, take?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray

STEPS = 500


def threshold_for(score: FloatArray, among: BoolArray, rate: float) -> float:
    """Return the threshold whose flagged share among some rows is nearest to a rate.

    Only observed scores are tried, and one above them all; of two equally near thresholds the
    higher one is kept.

    Args:
        score: Score of each row, (n,).
        among: Rows whose flagged share is matched, at least one, (n,).
        rate: Share to match.

    Example:
        >>> threshold_for(np.asarray([0.1, 0.4, 0.6, 0.9]), np.ones(4, dtype=bool), 0.5)
        0.6
    """
    values = np.sort(score[among])
    tried = np.unique(score)
    tried = np.append(tried, np.nextafter(tried[-1], np.inf))
    share = 1 - np.searchsorted(values, tried, side="left") / len(values)
    distance = np.abs(share - rate)
    return float(tried[np.flatnonzero(distance <= distance.min() + 1e-12)[-1]])


def equal_rate(
    score: FloatArray, base: BoolArray, codes: IntArray, groups: Mapping[int, str], threshold: float
) -> dict[int, float]:
    """Return each group's threshold at which its rate is that of everybody at the common one."""
    rate = float((score[base] >= threshold).mean())
    out = {}
    for code in groups:
        inside = codes == code
        out[code] = threshold_for(score[inside], base[inside], rate)
    return out


def randomised(
    score: FloatArray, y: BoolArray, codes: IntArray, at: FloatArray, at_codes: IntArray
) -> tuple[FloatArray, dict[int, list[dict[str, Any]]]]:
    """Return the chance of being flagged under fairlearn's equalised odds.

    Hardt, Price and Srebro 2016 (arXiv 1610.02413): two thresholds in each group and a coin
    between them, so that TPR and FPR agree between groups; the pair with the best balanced
    accuracy is kept. ``fairlearn.postprocessing.ThresholdOptimizer`` does the fitting, on at most
    500 quantiles of the scores: a preview needs no finer threshold, and its time grows with the
    number of distinct scores.

    Args:
        score: Scores of the fitting half, (n,).
        y: Labels there, both in every group, (n,).
        codes: Groups there, (n,).
        at: Scores to decide on, (m,).
        at_codes: Groups of these, among those fitted, (m,).

    Returns:
        Chance of being flagged, (m,), and in each group the thresholds with their weights.
    """
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
        """Hand the scores through: the model was trained elsewhere."""

        def fit(self, X: Any, y: Any = None) -> Scores:  # noqa: ARG002 - the estimator's protocol
            """Learn nothing."""
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict(self, X: Any) -> FloatArray:
            """Return the scores."""
            return np.asarray(X, dtype=np.float64).reshape(-1)

    optimizer = ThresholdOptimizer(
        estimator=Scores(),
        constraints="equalized_odds",
        objective="balanced_accuracy_score",
        prefit=True,
        predict_method="predict",
    )
    optimizer.fit(_coarse(score)[:, None], y.astype(np.int64), sensitive_features=codes)
    chance = np.zeros(len(at))
    rules: dict[int, list[dict[str, Any]]] = {}
    for code, rule in optimizer.interpolated_thresholder_.interpolation_dict.items():
        ignored = float(rule.get("p_ignore", 0.0))
        constant = float(rule.get("prediction_constant", 0.0))
        inside = at_codes == code
        mixed = rule.p0 * rule.operation0(at[inside]) + rule.p1 * rule.operation1(at[inside])
        chance[inside] = ignored * constant + (1 - ignored) * mixed
        parts = ((rule.p0, rule.operation0), (rule.p1, rule.operation1))
        rules[int(code)] = [
            {"weight": (1 - ignored) * float(weight), "flag_if": _said(operation)}
            for weight, operation in parts
            if weight > 0
        ]
        if ignored > 0:
            rules[int(code)].append(
                {"weight": ignored, "flag_if": f"whatever the score, with chance {constant:.4g}"}
            )
    return chance, rules


def _coarse(score: FloatArray) -> FloatArray:
    """Return each score's quantile from below where there are more distinct scores than steps."""
    if len(np.unique(score)) <= STEPS:
        return score
    edges = np.quantile(score, np.linspace(0, 1, STEPS), method="lower")
    return np.asarray(edges[np.searchsorted(edges, score, side="right") - 1])


def _said(operation: Any) -> str:
    threshold = float(operation.threshold)
    if np.isposinf(threshold):
        return "never" if operation.operator == ">" else "always"
    if np.isneginf(threshold):
        return "always" if operation.operator == ">" else "never"
    return f"score {operation.operator} {threshold:.6g}"
