"""Intervals from influence functions, summed by patient: means, and whatever is linear in rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.types import FloatArray
from audits.types import Estimate

METHOD = "influence function, patient-clustered"
METHOD_ROWS = "influence function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A statistic that is, to first order, a sum over rows; every field (groups,).

    Attributes:
        value: The statistic, NaN where it is undefined.
        se: Its standard error, NaN where there are fewer than two patients.
        df: Degrees of freedom, patients - 1.
        deff: Clustered over unclustered variance.
        n: Rows.
        patients: Patients.
    """

    value: FloatArray
    se: FloatArray
    df: FloatArray
    deff: FloatArray
    n: FloatArray
    patients: FloatArray


def linear(family: Family, value: FloatArray, influence: FloatArray) -> Linear:
    """Return a statistic with the error its per-row influence (n,) implies, by patient."""
    return linear_from(family, value, linear_sums(family, influence), family.sum_rows())


def linear_sums(family: Family, influence: FloatArray) -> dict[str, FloatArray]:
    """Return the squared influence by patient and by row, (groups,); they add up over parts."""
    inside = family.code < family.size
    flow = np.where(inside & np.isfinite(influence), influence, 0.0)
    pairs = family.sum_to_pairs(flow)
    return {"patients": family.sum_pairs(pairs * pairs), "rows": family.sum_rows(flow * flow)}


def linear_from(
    family: Family, value: FloatArray, sums: Mapping[str, FloatArray], n: FloatArray
) -> Linear:
    """Return a statistic with the error that the sums of :func:`linear_sums` imply."""
    patients = family.patients
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(patients > 1, patients / (patients - 1) * sums["patients"], np.nan)
        plain = n / (n - 1) * sums["rows"]
        deff = np.where((plain > 0) & (patients > 1), variance / plain, 1.0)
    return Linear(
        value=value,
        se=np.sqrt(variance),
        df=np.maximum(patients - 1, 1),
        deff=deff,
        n=n,
        patients=patients,
    )


def mean_of(family: Family, values: FloatArray) -> Linear:
    """Return the mean of per-row values in every group."""
    n = family.sum_rows()
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, family.sum_rows(values) / n, np.nan)
        centred = values - np.append(mean, 0.0)[family.code]
        return linear(family, mean, centred / np.append(n, 1.0)[family.code])


def linear_estimates(
    frame: Frame,
    measured: Linear,
    *,
    undefined: Callable[[int], str],
    bounds: tuple[float, float] = (-np.inf, np.inf),
    log: bool = False,
    level: float = 0.95,
) -> list[Estimate]:
    """Return estimates with t limits on the own or the log scale.

    Args:
        frame: The rows, for the method's name.
        measured: The statistic.
        undefined: Group -> why its value is undefined; called only where it is.
        bounds: Smallest and largest possible value.
        log: Make the interval on the log scale.
        level: Confidence level.
    """
    half = stdtrit(measured.df, (1 + level) / 2) * measured.se
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if log:
            factor = np.exp(half / measured.value)
            low, high = measured.value / factor, measured.value * factor
        else:
            low, high = measured.value - half, measured.value + half
    low, high = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])
    method = METHOD if frame.clustered else METHOD_ROWS
    out = []
    for index, value in enumerate(measured.value.tolist()):
        n = int(measured.n[index])
        who = int(measured.patients[index]) if frame.named_patients else None
        if not np.isfinite(value):
            out.append(Estimate.undefined(undefined(index), n=n, n_patients=who, method=method))
            continue
        se = measured.se[index]
        reason = None
        if not np.isfinite(se):
            reason = "no interval: fewer than two patients"
        elif se * 1e12 <= max(abs(value), 1.0):
            reason = "no interval: the cases do not vary"
        elif not (np.isfinite(low[index]) and np.isfinite(high[index])):
            reason = "no interval: too few cases"
        out.append(
            Estimate(
                value=value,
                low=None if reason else float(low[index]),
                high=None if reason else float(high[index]),
                level=level,
                n=n,
                n_patients=who,
                deff=float(measured.deff[index]),
                method=method,
                reason=reason,
            )
        )
    return out
