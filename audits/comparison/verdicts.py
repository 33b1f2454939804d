"""Better, equivalent, worse or inconclusive: what may be said of a version's change in a group."""

from __future__ import annotations

from typing import Literal

from audits.comparison.paired import PairedDifference

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "not_evaluable"]

LOWER_IS_BETTER = frozenset({"fpr", "fnr", "brier"})
UNDIRECTED = frozenset({"selection_rate"})
"""Metrics of which more is neither better nor worse: they get no verdict."""


def reach_verdict(
    metric: str, difference: PairedDifference, *, q: float | None, margin: float, alpha: float
) -> tuple[Verdict, str]:
    """Judge one change.

    Args:
        metric: Name of the metric; decides which direction is better.
        difference: The paired difference, candidate minus base.
        q: Adjusted p, or None where no test was possible.
        margin: Largest change that does not matter, on the metric's scale.
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
    if differs and abs(delta) > margin:
        favours = (delta < 0) if metric in LOWER_IS_BETTER else (delta > 0)
        return ("better" if favours else "worse"), "differs by more than the margin"
    if -margin < difference.low_90 and difference.high_90 < margin:
        return "equivalent", "the 90 % interval lies inside the margin"
    unsettled = "differs, but by how much is unsettled"
    return "inconclusive", unsettled if differs else "too few cases to tell"
