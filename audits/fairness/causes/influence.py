"""Intervals from influence functions, summed within each patient.

An estimate moves by the sum of its rows' influences; its variance is the sum, over patients, of
the squared sums of their rows (Huber 1967; Liang and Zeger 1986). One rule serves every number
of the causes panel, so that repeated patients never narrow an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.fairness.causes.rows import Rows
from audits.fairness.types import BoolArray, FloatArray
from audits.types import Estimate

METHOD = "influence function, clustered by patient"
MIN_PATIENTS = 2
_ROUNDING = 1e-12
FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Sampling error of an estimate.

    Attributes:
        se: Standard error.
        deff: Variance over that of independent rows.
        patients: Patients with a row that moves the estimate.
    """

    se: float
    deff: float
    patients: int


def spread_of(rows: Rows, influence: FloatArray) -> Spread:
    """Return the standard error from each row's influence, (n,), already divided by n."""
    frame = rows.frame
    by_patient = np.bincount(frame.patient, influence, frame.patients)
    used = int(np.count_nonzero(np.bincount(frame.patient, influence != 0, frame.patients)))
    clustered = float(by_patient @ by_patient)
    plain = float(influence @ influence)
    small = used / (used - 1) if used >= MIN_PATIENTS else np.nan
    return Spread(
        se=float(np.sqrt(small * clustered)),
        deff=clustered / plain if plain > 0 else 1.0,
        patients=used,
    )


def patients_in(rows: Rows, mask: BoolArray) -> int:
    """Return how many patients have a row in the mask."""
    return int(np.count_nonzero(np.bincount(rows.frame.patient[mask])))


def estimate(  # noqa: PLR0913 - an estimate with all that it takes to trust it
    rows: Rows,
    value: float,
    influence: FloatArray,
    used: BoolArray,
    *,
    fewest: int,
    log: bool = False,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    method: str = METHOD,
    reason: str | None = None,
) -> Estimate:
    """Return an estimate with its t interval.

    Args:
        rows: The rows.
        value: The estimate.
        influence: Influence of each row on the value, (n,).
        used: Rows behind it, (n,).
        fewest: Patients of the smaller arm; its t quantile is used.
        log: Whether the interval is symmetric on the log scale.
        bounds: Range that the value cannot leave.
        method: Name of the interval.
        reason: A warning to carry.
    """
    n, named = int(used.sum()), rows.frame.named_patients
    who = patients_in(rows, used) if named else None
    if not np.isfinite(value):
        return Estimate.undefined(reason or "undefined", n=n, n_patients=who)
    spread = spread_of(rows, influence)
    # A spread that is only rounding is none.
    nothing = not spread.se > _ROUNDING * max(1.0, abs(value))
    if nothing or not np.isfinite(spread.se) or fewest < MIN_PATIENTS:
        why = reason or "no interval: the cases of one side are all alike or too few"
        return Estimate(value=value, n=n, n_patients=who, method=method, reason=why)
    half = float(stdtrit(fewest - 1, 0.975)) * spread.se
    if log:
        low, high = value * np.exp(-half / value), value * np.exp(half / value)
    else:
        low, high = value - half, value + half
    return Estimate(
        value=value,
        low=float(np.clip(low, *bounds)),
        high=float(np.clip(high, *bounds)),
        n=n,
        n_patients=who,
        deff=spread.deff,
        method=method,
        reason=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A (weighted) mean over some rows and the influence of each row on it."""

    value: float
    influence: FloatArray
    used: BoolArray


def mean_over(
    values: FloatArray | BoolArray, used: BoolArray, weights: FloatArray | None = None
) -> Mean:
    """Return the mean of values over the rows in ``used``; NaN where there is none."""
    mass = used.astype(np.float64) if weights is None else np.where(used, weights, 0.0)
    total = float(mass.sum())
    if total <= 0:
        return Mean(value=np.nan, influence=np.zeros(len(used)), used=used)
    share = mass / total
    outcome = np.where(used, values, 0.0)
    value = float(share @ outcome)
    return Mean(value=value, influence=share * (outcome - value), used=used)
