"""A statistic in every group and in its reference, with errors summed by patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.intervals import INSUFFICIENT_BELOW, wilson
from audits.fairness.rates import Z95
from audits.fairness.ratios import REST
from audits.fairness.statistics.point import Point, Scale, Statistic
from audits.fairness.types import FloatArray, IntArray
from audits.types import Estimate

METHOD = "influence function"
METHOD_CLUSTERED = "influence function, patient-clustered"
_ROUNDING = 1e-12
_MIN_PATIENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A statistic of one set of rows.

    Attributes:
        point: The number.
        variance: Of the number, clustered by patient; NaN where there are fewer than two.
        deff: Clustered over unclustered variance, at least 1.
        rows: Rows behind it.
        patients: Distinct patients behind it.
        flow: Influence summed by patient, (patients of the frame,).
    """

    point: Point
    variance: float
    deff: float
    rows: int
    patients: int
    flow: FloatArray

    @property
    def fewest(self) -> float:
        """Return the effective cases of the scarcer side."""
        effective = self.point.effective
        return self.point.fewest / self.deff if effective is None else effective

    @property
    def varies(self) -> bool:
        """Return whether there is a sampling error to speak of."""
        size = max(abs(self.point.value), 1.0)
        return bool(np.isfinite(self.variance) and np.sqrt(self.variance) > _ROUNDING * size)


def rows_of_groups(family: Family) -> list[IntArray]:
    """Return the rows of each group, ascending."""
    order = np.argsort(family.code, kind="stable")
    edges = np.searchsorted(family.code[order], np.arange(family.size + 1))
    return [order[edges[g] : edges[g + 1]] for g in range(family.size)]


def measure_arm(frame: Frame, statistic: Statistic, rows: IntArray) -> Arm:
    """Evaluate a statistic on some rows."""
    point = statistic.of(rows)
    who = frame.patient[rows]
    flow = np.bincount(who, point.influence, frame.patients)
    there = np.bincount(who, minlength=frame.patients) if frame.clustered else None
    patients = len(rows) if there is None else int(np.count_nonzero(there))
    clustered, plain = float(flow @ flow), float(point.influence @ point.influence)
    small = patients / (patients - 1) if patients >= _MIN_PATIENTS else np.nan
    return Arm(
        point=point,
        variance=small * clustered,
        deff=max(clustered / plain, 1.0) if plain > 0 and frame.clustered else 1.0,
        rows=len(rows) if point.n is None else point.n,
        patients=patients,
        flow=np.asarray(flow, dtype=np.float64),
    )


def reference_rows(groups: Sequence[IntArray], reference: int) -> Iterator[IntArray]:
    """Yield the rows of each group's reference: the rest of the family, or one level."""
    for index in range(len(groups)):
        if reference != REST:
            yield groups[reference]
            continue
        rest = [rows for other, rows in enumerate(groups) if other != index]
        yield np.sort(np.concatenate(rest)) if rest else np.zeros(0, dtype=np.int64)


def transformed(value: float, scale: Scale) -> float:
    """Return a value on the scale of its error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return float(np.log(value))
        return float(logit(value)) if scale == "logit" else value


def transformed_error(arm: Arm, scale: Scale) -> float:
    """Return the standard error on that scale (delta method)."""
    value, error = arm.point.value, float(np.sqrt(arm.variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return float(np.divide(error, value))
        return float(np.divide(error, value * (1 - value))) if scale == "logit" else error


def arm_limits(arm: Arm, statistic: Statistic, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the limits of one arm for multipliers c; the t quantile widens a small arm's."""
    value = arm.point.value
    if arm.point.effective is not None:
        return wilson(value, arm.point.effective, c)
    df = max(arm.fewest - 1, 1.0)
    half = c * float(stdtrit(df, 0.975)) / Z95 * transformed_error(arm, statistic.scale)
    centre = transformed(value, statistic.scale)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = centre - half, centre + half
        if statistic.scale == "log":
            low, high = np.exp(low), np.exp(high)
        elif statistic.scale == "logit":
            low, high = expit(low), expit(high)
    return np.maximum(low, statistic.bounds[0]), np.minimum(high, statistic.bounds[1])


def _rate_method(frame: Frame) -> str:
    return "wilson" if frame.weight is None else "wilson, weighted"


def arm_estimate(frame: Frame, statistic: Statistic, arm: Arm) -> Estimate:
    """Return the ESTIMATE of one arm."""
    point = arm.point
    who = arm.patients if frame.named_patients else None
    n = arm.rows if point.counts is None else point.counts[1]
    method = METHOD_CLUSTERED if frame.clustered else METHOD
    if not np.isfinite(point.value):
        why = point.reason or ("no cases" if n == 0 else "undefined")
        return Estimate.undefined(why, n=n, n_patients=who, method=method)
    low, high = (float(limit[0]) for limit in arm_limits(arm, statistic, np.array([Z95])))
    reason = point.reason
    proportion = point.effective is not None
    if proportion and n < INSUFFICIENT_BELOW:
        reason = reason or f"insufficient: a denominator of {n}"
    if not proportion and not arm.varies:
        reason = "no interval: the cases do not vary or are fewer than two patients"
    elif not (np.isfinite(low) and np.isfinite(high) and low < high):
        reason = "no interval: too few cases"
    bare = reason is not None and reason.startswith("no interval")
    return Estimate(
        value=point.value,
        low=None if bare else low,
        high=None if bare else high,
        k=None if point.counts is None else point.counts[0],
        n=n,
        n_patients=who,
        deff=n / point.effective if point.effective else arm.deff,
        method=_rate_method(frame) if proportion else method,
        reason=reason,
    )
