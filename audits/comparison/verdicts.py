"""Better, equivalent, worse or inconclusive: what may be said of a version's change in a group."""

from __future__ import annotations

import math
from typing import Literal

from audits.comparison.changes import PairedDifference
from audits.policy.schema import LOWER_IS_BETTER, RATIO_METRICS

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "not_evaluable"]

UNDIRECTED = frozenset({"selection_rate", "bias", "calibration_slope"})
"""Metrics of which more is neither better nor worse: they get no verdict."""


def reach_verdict(
    metric: str, difference: PairedDifference, *, q: float | None, margin: float, alpha: float
) -> tuple[Verdict, str]:
    """Judge one change.

    Args:
        metric: Name of the metric; decides which direction is better.
        difference: The paired difference, candidate minus base.
        q: Adjusted p, or None where no test was possible.
        margin: Largest change that does not matter, on the metric's scale; of ``oe_ratio``
            and ``oe_t`` the largest ratio.
        alpha: Level of q.

    Returns:
        The verdict of the contract and the reason in words.
    """
    delta = difference.delta.value
    if delta is None:
        return "not_evaluable", difference.delta.reason or "undefined"
    if difference.low_90 is None or difference.high_90 is None:
        same = delta == 0
        reason = difference.delta.reason or "no interval"
        return ("equivalent" if same else "inconclusive"), reason
    differs = q is not None and q <= alpha
    if metric in RATIO_METRICS:
        return _of_ratio(difference, differs=differs, margin=margin)
    if differs and abs(delta) > margin:
        favours = (delta < 0) if metric in LOWER_IS_BETTER else (delta > 0)
        return ("better" if favours else "worse"), "differs by more than the margin"
    inside = -margin < difference.low_90 and difference.high_90 < margin
    return _otherwise(inside=inside, differs=differs)


def _of_ratio(difference: PairedDifference, *, differs: bool, margin: float) -> tuple[Verdict, str]:
    """Judge observed over expected: better is nearer to 1, on the scale of ratios."""
    low, high = difference.ratio_90 or (0.0, math.inf)
    nearer = difference.nearer
    if differs and nearer is not None and abs(nearer) > math.log(margin):
        return ("better" if nearer > 0 else "worse"), "differs by more than the margin"
    return _otherwise(inside=1 / margin < low and high < margin, differs=differs)


def _otherwise(*, inside: bool, differs: bool) -> tuple[Verdict, str]:
    if inside:
        return "equivalent", "the 90 % interval lies inside the margin"
    unsettled = "differs, but by how much is unsettled"
    return "inconclusive", unsettled if differs else "too few cases to tell"
