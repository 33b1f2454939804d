"""An effect on log-odds as points of risk, the unit people think in."""

from __future__ import annotations

from math import exp


def risk_of(logit: float) -> float:
    """Return the probability of log-odds, in [0, 1].

    Example:
        >>> risk_of(0.0)
        0.5
    """
    if logit >= 0:
        return 1 / (1 + exp(-logit))
    return exp(logit) / (1 + exp(logit))


def risk_points(effect: float, logit: float | None) -> float | None:
    """Return by how much a predicted risk lies above what it would be without one effect.

    Effects add up in log-odds. Points of risk do not: each is taken away alone, from the patient's
    whole score, so that the order in which effects are told changes none of them.

    Args:
        effect: Effect in log-odds.
        logit: The patient's score in log-odds; None where the output is no probability.

    Returns:
        Difference of probabilities, in [-1, 1]; None where the output is no probability.

    Example:
        >>> round(risk_points(1.0, 0.0), 3), risk_points(1.0, None)
        (0.231, None)
    """
    return None if logit is None else risk_of(logit) - risk_of(logit - effect)
