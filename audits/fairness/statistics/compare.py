"""Differences of a statistic between each group and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.fairness.auroc import satterthwaite
from audits.fairness.contrasts import Contrast, assemble, two_sided_or_one
from audits.fairness.intervals import mover
from audits.fairness.rates import Z95
from audits.fairness.significance import fisher_midp
from audits.fairness.statistics.arms import Arm, arm_limits, transformed, transformed_error
from audits.fairness.statistics.point import Statistic
from audits.fairness.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Both arms of every group as arrays, each (groups,)."""

    first: FloatArray
    second: FloatArray
    gap: FloatArray
    variance: FloatArray
    df: FloatArray
    correlation: FloatArray


def contrast_arms(
    statistic: Statistic,
    own: Sequence[Arm],
    ref: Sequence[Arm | None],
    *,
    margin: float,
    needed: float,
    shared: bool,
) -> Contrast:
    """Compare every group with its reference.

    The test is a t on the statistic's scale, with the covariance of both arms' influence
    functions where they share patients. Proportions of arms that share none are tested by mid-p
    Fisher on effective counts, as unweighted rates are.

    Args:
        statistic: What is compared.
        own: Arm of each group.
        ref: Arm of each group's reference; None where the group is not compared.
        margin: Largest difference that does not matter; a ratio where the scale is ``log``.
        needed: Effective cases needed on the scarcer side of each arm.
        shared: Whether any patient is in two groups.
    """
    sides = _sides(statistic, own, ref, shared=shared)
    p = two_sided_or_one(sides.gap, sides.variance, sides.df)
    test = f"influence-function t{'' if statistic.scale == 'plain' else ', ' + statistic.scale}"
    proportion = any(arm.point.effective is not None for arm in own)
    if proportion and not shared:
        p, test = _fisher(own, ref), "mid-p fisher"
    logs = statistic.scale == "log"
    spread = np.sqrt(sides.variance) * stdtrit(sides.df, 0.975) / Z95

    still = np.asarray([_still(a) or _still(b) for a, b in zip(own, ref, strict=True)])

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        if logs:
            low, high = sides.gap - c * spread, sides.gap + c * spread
        else:
            both = [_limits(arms, statistic, c) for arms in (own, ref)]
            low, high = mover((sides.first, *both[0]), (sides.second, *both[1]), sides.correlation)
        # Where the cases of a side are all alike nothing says how far the difference may be off.
        return np.where(still, np.nan, low), np.where(still, np.nan, high)

    gap = sides.gap if logs else sides.first - sides.second
    n_own, n_ref = (_sizes(arms) for arms in (own, ref))
    v_own, v_ref = (_variances(arms, statistic) for arms in (own, ref))
    return assemble(
        first=sides.first,
        second=sides.second,
        gap=gap,
        limits=limits,
        margin=float(np.log(margin)) if logs else margin,
        units=(v_own * n_own, v_ref * n_ref),
        sizes=(n_own, n_ref),
        deff=np.asarray([arm.deff for arm in own]),
        p=np.where(np.isnan(gap), np.nan, p),
        test=test,
        short=[_short(a, b, statistic.what, needed) for a, b in zip(own, ref, strict=True)],
        ratio_scale=logs,
    )


def _sides(
    statistic: Statistic, own: Sequence[Arm], ref: Sequence[Arm | None], *, shared: bool
) -> _Sides:
    size = len(own)
    out = {name: np.full(size, np.nan) for name in ("first", "second", "gap", "variance")}
    df, correlation = np.ones(size), np.zeros(size)
    for index, (a, b) in enumerate(zip(own, ref, strict=True)):
        if b is None or not (np.isfinite(a.point.value) and np.isfinite(b.point.value)):
            continue
        out["first"][index], out["second"][index] = a.point.value, b.point.value
        va, vb = (transformed_error(arm, statistic.scale) ** 2 for arm in (a, b))
        cross = 0.0
        if shared and a.variance > 0 and b.variance > 0:
            like = float(a.flow @ b.flow) / np.sqrt(a.variance * b.variance)
            correlation[index] = np.clip(like, -0.99, 0.99)
            cross = correlation[index] * np.sqrt(va * vb)
        gap = transformed(a.point.value, statistic.scale)
        gap -= transformed(b.point.value, statistic.scale)
        out["gap"][index] = gap
        out["variance"][index] = max(va + vb - 2 * cross, 0.01 * (va + vb))
        pairs = [(np.array([v]), np.array([arm.fewest])) for v, arm in ((va, a), (vb, b))]
        df[index] = max(float(np.nan_to_num(satterthwaite(*pairs)[0], nan=1.0)), 1.0)
    return _Sides(**out, df=df, correlation=correlation)


def _limits(
    arms: Sequence[Arm | None], statistic: Statistic, c: FloatArray
) -> tuple[FloatArray, FloatArray]:
    low, high = np.full(len(arms), np.nan), np.full(len(arms), np.nan)
    for index, arm in enumerate(arms):
        if arm is None or not np.isfinite(arm.point.value):
            continue
        pair = arm_limits(arm, statistic, c[index : index + 1])
        low[index], high[index] = float(pair[0][0]), float(pair[1][0])
    return low, high


def _fisher(own: Sequence[Arm], ref: Sequence[Arm | None]) -> FloatArray:
    """Return mid-p Fisher on effective counts: n rounded, the proportion kept."""
    counts = np.zeros((4, len(own)))
    for index, (a, b) in enumerate(zip(own, ref, strict=True)):
        for at, arm in ((0, a), (2, b)):
            if arm is not None and arm.point.effective is not None:
                n = np.rint(arm.point.effective)
                counts[at : at + 2, index] = np.rint(np.nan_to_num(arm.point.value) * n), n
    return np.asarray(fisher_midp(*counts))


def _sizes(arms: Sequence[Arm | None]) -> FloatArray:
    return np.asarray([np.nan if arm is None else _size(arm) for arm in arms])


def _size(arm: Arm) -> float:
    return arm.rows / arm.deff if arm.point.effective is None else arm.point.effective


def _variances(arms: Sequence[Arm | None], statistic: Statistic) -> FloatArray:
    """Return variances on the scale of the margin: that of the value, or of its logarithm."""
    out = np.full(len(arms), np.nan)
    for index, arm in enumerate(arms):
        if arm is not None:
            error = transformed_error(arm, "log" if statistic.scale == "log" else "plain")
            out[index] = error**2
    return out


def _still(arm: Arm | None) -> bool:
    """Say whether a side has no sampling error to speak of."""
    return arm is not None and arm.point.effective is None and not arm.varies


def _short(own: Arm, ref: Arm | None, what: str, needed: float) -> str | None:
    """Return why a group cannot be evaluated, or None."""
    if ref is None:
        return "not compared"
    for where, arm in (("group", own), ("reference", ref)):
        if not np.isfinite(arm.point.value):
            return f"{arm.point.reason or 'undefined'} in the {where}"
        if arm.fewest < needed:
            return f"{arm.fewest:.1f} effective {what} in the {where}, {needed:g} needed"
        if _still(arm):
            return f"the {what} of the {where} do not vary"
    return None
