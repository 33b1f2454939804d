"""One change of one metric in one group: from a difference and its variance to interval and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, stdtrit

from audits.comparison.layout import Floats
from audits.comparison.moments import Moments
from audits.comparison.ratios import Graded
from audits.types import Estimate

Z90 = 1.6448536269514722
RELATIVE = 1e-13
"""Variances below this share of their largest term are rounding, not variation."""

Limits = tuple[tuple[float, float], ...]
"""Lower and upper limit at 90 %, then at 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """One metric's change in one group.

    Attributes:
        delta: Candidate minus base with its 95 % interval.
        low_90: Lower 90 % limit, for equivalence and non-inferiority.
        high_90: Upper 90 % limit.
        p: Two-sided p of no change, or None with the reason in ``delta``.
        test: Name of the test.
        did: The group's change minus everybody else's.
        se: Standard error of ``delta`` by influence function, or None.
        ratio_90: 90 % limits of candidate over base, for ``oe_ratio``.
        nearer: By how much the candidate is nearer to 1 than the base, in logs, for ``oe_ratio``.
        fewest: Effective cases of the scarcer side, where the metric says so itself.
        per_class: Whether these are of one class.
    """

    delta: Estimate
    low_90: float | None
    high_90: float | None
    p: float | None
    test: str
    did: Estimate
    se: float | None
    ratio_90: tuple[float, float] | None = None
    nearer: float | None = None
    fewest: float | None = None
    per_class: bool = False


def quadratic(left: Floats, middle: Floats, right: Floats) -> Floats:
    """Return left · middle · right of every group; what is only rounding becomes 0."""
    a = _finite(left)
    b = a if right is left else _finite(right)
    value = _product(a, middle, b)
    scale = _product(np.abs(a), np.abs(middle), np.abs(b))
    return np.where(np.abs(value) <= RELATIVE * scale, 0.0, value)


def _finite(values: Floats) -> Floats:
    return values if np.isfinite(values).all() else np.nan_to_num(values)


def _product(left: Floats, middle: Floats, right: Floats) -> Floats:
    return np.asarray(((left[:, None, :] @ middle)[:, 0] * right).sum(axis=1))


def root(variance: float) -> float | None:
    """Return the standard error of a variance, or None where it is not known."""
    return float(np.sqrt(variance)) if np.isfinite(variance) and variance >= 0 else None


def influence_difference(  # noqa: PLR0913 - one change and what it takes to trust it
    metric: str,
    *,
    delta: float,
    variance: float,
    n: int,
    patients: int | None,
    active: float,
    method: str,
    did: Estimate,
    limits: Limits | None = None,
    null: float | None = None,
) -> PairedDifference:
    """Return a change judged by its influence function.

    Args:
        metric: Name of the metric, for the reason of a missing value.
        delta: Candidate minus base; NaN where either is undefined.
        variance: Its variance; 0 where the versions agree or nothing varies.
        n: Rows of the group.
        patients: Patients of the group, or None where none are named.
        active: Patients whose rows moved the change; less one, the degrees of freedom.
        method: Name of the method.
        did: The group's change minus everybody else's.
        limits: Limits at 90 and at 95 %; those of a t by default.
        null: Variance if nothing changed, by which p is found; ``variance`` by default.
    """
    if not np.isfinite(delta):
        why = "no case of one class" if metric == "auroc" else "no case in the denominator"
        return undefined(why if metric != "calibration_slope" else "no slope can be fitted", n)
    se = root(variance)
    known = {"n": n, "n_patients": patients, "method": method}
    if not se:
        same = delta == 0
        reason = "both versions agree on every case" if same else "no variation between cases"
        return PairedDifference(
            delta=Estimate(value=delta, reason=reason, **known),  # type: ignore[arg-type]
            low_90=None,
            high_90=None,
            p=1.0 if same else None,
            test=method,
            did=did,
            se=None,
        )
    half = (stdtrit(max(active - 1, 1), np.array([0.95, 0.975])) * se).tolist()
    at90, at95 = limits or tuple((delta - one, delta + one) for one in half)
    return PairedDifference(
        delta=Estimate(
            value=delta,
            low=at95[0],
            high=at95[1],
            **known,  # type: ignore[arg-type]
        ),
        low_90=at90[0],
        high_90=at90[1],
        p=float(2 * ndtr(-abs(delta) / ((None if null is None else root(null)) or se))),
        test=method,
        did=did,
        se=se,
    )


def as_ratios(
    changes: list[PairedDifference], both: Sequence[Graded], found: Moments, expected: Floats
) -> list[PairedDifference]:
    """Judge candidate over base on the log scale, where 0.8 is as far from 1 as 1.25.

    Args:
        changes: Changes of the ratio of observed to expected events.
        both: Base and candidate.
        found: Moments of the groups.
        expected: Gradient of the change of the expected events, (groups, features): whether
            anything changed is tested on these, as both versions have the same observed ones.
    """
    (base, of_base), (candidate, of_candidate) = both
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(candidate), np.log(base)
        gradient = of_candidate / candidate[:, None] - of_base / base[:, None]
    se = np.sqrt(np.maximum(quadratic(gradient, found.own, gradient), 0.0))
    moved = np.abs((expected * found.sums).sum(axis=1))
    spread = np.sqrt(np.maximum(quadratic(expected, found.own, expected), 0.0))
    out = []
    for group, change in enumerate(changes):
        apart = float(logs[0][group] - logs[1][group])
        known = se[group] > 0 and spread[group] > 0
        if change.se is None or not np.isfinite(apart) or not known:
            out.append(change)
            continue
        half = Z90 * float(se[group])
        out.append(
            replace(
                change,
                p=float(2 * ndtr(-moved[group] / spread[group])),
                ratio_90=(float(np.exp(apart - half)), float(np.exp(apart + half))),
                nearer=float(abs(logs[1][group]) - abs(logs[0][group])),
            )
        )
    return out


def undefined(reason: str, n: int) -> PairedDifference:
    """Return a change that has no value, and why."""
    return PairedDifference(
        delta=Estimate.undefined(reason, n=n),
        low_90=None,
        high_90=None,
        p=None,
        test="",
        did=Estimate.undefined(reason),
        se=None,
    )
