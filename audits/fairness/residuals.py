"""Errors of predicted numbers by group: quantiles, and Bland-Altman limits of agreement."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from audits.fairness.audit import families_of
from audits.fairness.families import Family, everybody
from audits.fairness.frame import Frame, build_frame
from audits.fairness.intervals import wilson
from audits.fairness.rates import Z95
from audits.fairness.statistics.arms import arm_estimate, measure_arm, rows_of_groups
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.types import BoolArray, FloatArray, IntArray, ScoredOutput
from audits.fairness.weighted.mass import kish_size, weights_of
from audits.policy import Policy
from audits.types import Estimate

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LIMITS = 1.96
_FEWEST = 3


def residuals_section(output: ScoredOutput, policy: Policy) -> dict[str, Any]:
    """Return quantiles and limits of agreement of the errors ŷ - y, for everybody and every group.

    Limits of agreement are mean ± 1.96 standard deviations (Bland and Altman, Lancet 1986), each
    with an interval; quantiles have Woodruff's, from Wilson limits of their share on an effective
    count of patients. Both in the outcome's unit, descriptive, without verdict.

    Args:
        output: A regression.
        policy: Names the groups.
    """
    frame = build_frame(output)
    families, _ = families_of(frame, output, policy)
    return {
        "state": "computed",
        "overall": _groups(frame, everybody(frame))[0],
        "groups": [entry for family in families for entry in _groups(frame, family)],
    }


def _groups(frame: Frame, family: Family) -> list[dict[str, Any]]:
    error = frame.score - frame.y
    out = []
    for label, rows in zip(family.labels, rows_of_groups(family), strict=True):
        limits = _agreement(frame, error, rows)
        out.append(
            {
                "attributes": dict(label),
                "n": len(rows),
                "quantiles": [
                    {"share": share, **_quantile(frame, error, rows, share).to_dict()}
                    for share in QUANTILES
                ],
                "limits_of_agreement": limits,
            }
        )
    return out


def _agreement(frame: Frame, error: FloatArray, rows: IntArray) -> dict[str, Any]:
    out = {}
    for name, sign in (("lower", -1.0), ("upper", 1.0)):
        statistic = Statistic(metric=name, of=partial(_limit, frame, error, sign))
        estimate = arm_estimate(frame, statistic, measure_arm(frame, statistic, rows))
        out[name] = estimate.to_dict()
    return out


def _limit(frame: Frame, error: FloatArray, sign: float, rows: IntArray) -> Point:
    """Return mean ± 1.96 sd; a row moves it by its distance and by its squared distance."""
    n = len(rows)
    if n < _FEWEST:
        return undefined(rows, "no cases" if n == 0 else f"fewer than {_FEWEST} cases")
    weight = weights_of(frame)[rows]
    share, worth = weight / weight.sum(), kish_size(weight)
    mean = float(share @ error[rows])
    centred = error[rows] - mean
    variance = float(share @ centred**2) * (worth / (worth - 1) if worth > 1 else np.nan)
    sd = float(np.sqrt(variance))
    moved = centred + (sign * _LIMITS * (centred**2 - variance) / (2 * sd) if sd > 0 else 0.0)
    return Point(value=mean + sign * _LIMITS * sd, influence=share * moved, fewest=worth)


def _quantile(frame: Frame, error: FloatArray, rows: IntArray, share: float) -> Estimate:
    n, method = len(rows), "woodruff, wilson"
    who = len(np.unique(frame.patient[rows])) if frame.named_patients else None
    if n == 0:
        return Estimate.undefined("no cases", n=0, n_patients=who, method=method)
    weight = None if frame.weight is None else frame.weight[rows]
    value = float(_quantiles(error[rows], share, weight))
    deff = _design_effect(frame, error[rows] <= value, rows)
    low, high = (float(limit) for limit in wilson(share, n / deff, Z95))
    ends = _quantiles(error[rows], [low, high], weight)
    outside = (
        low * n < deff or (1 - high) * n < deff
        if weight is not None
        else (low * n < 1 or high * n > n - 1)
    )
    return Estimate(
        value=value,
        low=None if outside else float(ends[0]),
        high=None if outside else float(ends[1]),
        n=n,
        n_patients=who,
        deff=deff,
        method=method,
        reason="no interval: too few cases so far out" if outside else None,
    )


def _quantiles(
    values: FloatArray, shares: float | list[float], weight: FloatArray | None
) -> FloatArray:
    """Return quantiles, of weighted values the smallest that so much of the weight lies up to."""
    if weight is None:
        return np.asarray(np.quantile(values, shares))
    return np.asarray(np.quantile(values, shares, weights=weight, method="inverted_cdf"))


def _design_effect(frame: Frame, below: BoolArray, rows: IntArray) -> float:
    """Return rows per effective case of the share below: weights and repeated patients."""
    if frame.weight is None and not frame.clustered:
        return 1.0
    weight = weights_of(frame)[rows]
    share = weight / weight.sum()
    centred = np.asarray(below, dtype=np.float64)
    centred -= share @ centred
    by_patient = np.bincount(frame.patient[rows], share * centred)
    spread = float(share @ centred**2)
    if not spread > 0:
        return len(rows) / kish_size(weight)
    return max(float(by_patient @ by_patient) * len(rows) / spread, 1.0)
