"""An axis of log-odds that is read as risk: marks at round risks, log-odds in brackets."""

from __future__ import annotations

from math import floor, log, log10
from typing import Any

from audits.risk_points import risk_of
from dashboard.numbers import signed

ROUND = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Risks people think in, up to a half; the other half mirrors them."""
FEWEST = 3
NEAREST = 0.085
"""Least distance of two marks, as a share of the axis."""


def risk_ticks(low: float, high: float) -> dict[str, Any]:
    """Return marks of an axis from ``low`` to ``high`` log-odds.

    Returns:
        ``tickvals`` in log-odds and ``ticktext``: the risk, and the log-odds below it.

    Example:
        >>> risk_ticks(-3.0, 0.1)["ticktext"][0]
        '5 %<br>(−2.94)'
    """
    mirrored = (*ROUND, *(1 - risk for risk in reversed(ROUND[:-1])))
    inside = [risk for risk in mirrored if low <= _logit(risk) <= high]
    if len(inside) < FEWEST:
        inside = _even(risk_of(low), risk_of(high))
    kept: list[float] = []
    for risk in inside:
        if not kept or _logit(risk) - _logit(kept[-1]) >= NEAREST * (high - low):
            kept.append(risk)
    places = [_logit(risk) for risk in kept]
    return {
        "tickvals": places,
        "ticktext": [
            f"{100 * risk:.4g} %<br>({signed(at)[:-1]})"
            for risk, at in zip(kept, places, strict=True)
        ],
    }


def _even(low: float, high: float) -> list[float]:
    """Return round risks at even steps between two; where they are few, the axis is narrow."""
    if not 0 < low < high < 1:
        return []
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    first = floor(low / step) + 1
    return [step * n for n in range(first, first + 6) if low < step * n < high]


def _logit(risk: float) -> float:
    return log(risk / (1 - risk))
