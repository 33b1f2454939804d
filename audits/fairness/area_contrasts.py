"""Differences in AUROC between a group and its reference: limits, and a test that holds at .92."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincc, logit, stdtrit

from audits.fairness.auroc import Areas, satterthwaite
from audits.fairness.contrasts import Contrast, assemble, correlation_of
from audits.fairness.intervals import (
    SMALL_CLASS,
    hanley_mcneil,
    logit_limits,
    mover,
    newcombe_auroc,
)
from audits.fairness.rates import Z95
from audits.fairness.significance import Limits, two_sided
from audits.fairness.types import BoolArray, FloatArray

_GRID = np.arange(0.0, 8.25, 0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullMoments:
    """Moments of the placement values of the whole cohort, by class, per row.

    They say how an AUROC spreads, and how skewed, in a group that differs from nobody.
    """

    var_pos: float
    var_neg: float
    cube_pos: float
    cube_neg: float


def contrast_areas(  # noqa: PLR0913 - both arms and what their test needs
    own: Areas,
    ref: Areas,
    covariance: FloatArray,
    moments: NullMoments,
    *,
    shared: bool,
    clustered: bool,
    margin: float,
    needed: float,
) -> Contrast:
    """Compare the AUROC of every group with its reference.

    The test is the larger of two p-values. One is the difference on the logit scale with
    Obuchowski's variance and Satterthwaite's t. The other takes variance and skewness of the
    placement values from the whole cohort (a Pearson III tail): without it, areas above .9 from
    a few dozen positives raise up to four times the false alarms they should, because a group
    that ranks well by luck also looks precise.
    """
    safe_own, se_own = _logit_error(own)
    safe_ref, se_ref = _logit_error(ref)
    slope = safe_own * (1 - safe_own) * safe_ref * (1 - safe_ref)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = se_own**2 + se_ref**2 - 2 * covariance / slope
        variance = np.maximum(variance, (se_own**2 + se_ref**2) * 0.01)
        statistic = (logit(safe_own) - logit(safe_ref)) / np.sqrt(variance)
        weight_own = 1 / (safe_own * (1 - safe_own)) ** 2
        weight_ref = 1 / (safe_ref * (1 - safe_ref)) ** 2
        df = satterthwaite(
            (weight_own * own.v_pos, own.c_pos),
            (weight_own * own.v_neg, own.c_neg),
            (weight_ref * ref.v_pos, ref.c_pos),
            (weight_ref * ref.v_neg, ref.c_neg),
        )
    p_logit = two_sided(np.nan_to_num(statistic), df)
    gap = own.area - ref.area
    p = np.where(
        np.isnan(gap), np.nan, np.maximum(p_logit, _null_p(own, ref, gap, moments, covariance))
    )
    correlation = correlation_of(covariance, own.variance, ref.variance)
    arms = (_area_limits(own), _area_limits(ref))

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        return mover((own.area, *arms[0](c)), (ref.area, *arms[1](c)), correlation)

    name = "obuchowski" if clustered else "delong"
    rows = own.positives + own.negatives, ref.positives + ref.negatives
    return assemble(
        first=own.area,
        second=ref.area,
        gap=gap,
        limits=limits,
        margin=margin,
        units=(
            _area_variance(own) * rows[0],
            _area_variance(ref) * rows[1],
        ),
        sizes=rows,
        deff=np.ones(len(gap)),
        p=p,
        test=f"influence-function t, logit {name}" if shared else f"logit {name} t",
        short=_short_classes(own, ref, needed),
    )


def _area_variance(areas: Areas) -> FloatArray:
    """Return the variance, by Hanley and McNeil where the placement values do not vary."""
    m, n = areas.positives / areas.deff_pos, areas.negatives / areas.deff_neg
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.clip(areas.area, 0.5 / (m * n), 1 - 0.5 / (m * n))
        fallback = hanley_mcneil(inner, m, n)
    usable = np.isfinite(areas.variance) & (areas.variance > 0)
    return np.where(usable, areas.variance, fallback)


def _logit_error(areas: Areas) -> tuple[FloatArray, FloatArray]:
    """Return the area kept off 0 and 1, and its standard error on the logit scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = 0.5 / (areas.positives * areas.negatives)
        inner = np.clip(areas.area, edge, 1 - edge)
        return inner, np.sqrt(_area_variance(areas)) / (inner * (1 - inner))


def _null_p(
    own: Areas, ref: Areas, gap: FloatArray, moments: NullMoments, covariance: FloatArray
) -> FloatArray:
    """Return the two-sided Pearson III p-value under the cohort's placement distribution."""
    variance, cube = -2 * covariance, np.zeros(len(gap))
    with np.errstate(divide="ignore", invalid="ignore"):
        for arm, sign in ((own, 1.0), (ref, -1.0)):
            spread = (
                moments.var_pos * arm.deff_pos / arm.positives
                + moments.var_neg * arm.deff_neg / arm.negatives
            )
            variance = variance + spread
            cube = cube + sign * (
                moments.cube_pos * arm.deff_pos**2 / arm.positives**2
                + moments.cube_neg * arm.deff_neg**2 / arm.negatives**2
            )
        z = gap / np.sqrt(variance)
        skew = cube / variance**1.5
    usable = np.isfinite(z) & (variance > 0)
    p = pearson3_two_sided(np.where(usable, z, 0.0), np.where(usable, skew, 0.0))
    return np.where(usable, p, 0.0)


def pearson3_two_sided(z: FloatArray, skew: FloatArray) -> FloatArray:
    """Return twice the smaller tail of a standardised Pearson III variable at z."""
    size = np.maximum(np.abs(skew), 1e-3)
    shape = 4 / size**2
    place = shape + np.where(skew < 0, -1.0, 1.0) * z * np.sqrt(shape)
    upper = np.where(place > 0, gammaincc(shape, np.maximum(place, 0)), 1.0)
    lower = np.where(place > 0, gammainc(shape, np.maximum(place, 0)), 0.0)
    return np.asarray(np.minimum(2 * np.minimum(lower, upper), 1.0))


def _area_limits(areas: Areas) -> Limits:
    """Return limits of each area as a function of the multiplier.

    Logit limits from 100 effective cases in the smaller class; below, Newcombe's method 5,
    tabulated over the multiplier and interpolated (its limits are smooth in it).
    """
    m, n = areas.positives / areas.deff_pos, areas.negatives / areas.deff_neg
    inner, se = _logit_error(areas)
    # Large arms have a hundred degrees of freedom or more: one ratio of quantiles serves all.
    with np.errstate(invalid="ignore"):
        se = se * stdtrit(np.maximum(np.nan_to_num(areas.df, nan=1.0), 1.0), 0.975) / Z95
    large: BoolArray = (np.minimum(m, n) >= SMALL_CLASS) & np.isfinite(se)
    small = np.flatnonzero(~large)
    table_low, table_high = newcombe_auroc(
        areas.area[small][None, :], m[small][None, :], n[small][None, :], _GRID[:, None]
    )
    table_low[0] = table_high[0] = areas.area[small]

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        low, high = logit_limits(inner, se, c)
        if len(small):
            at = np.minimum(c[small] / _GRID[1], len(_GRID) - 1.001)
            cell = at.astype(np.int64)
            part, column = at - cell, np.arange(len(small))
            for table, out in ((table_low, low), (table_high, high)):
                out[small] = (1 - part) * table[cell, column] + part * table[cell + 1, column]
        return low, high

    return limits


def _short_classes(own: Areas, ref: Areas, needed: float) -> list[str | None]:
    out: list[str | None] = [None] * len(own.area)
    for where, arm in (("reference", ref), ("group", own)):
        for what, count, deff in (
            ("negatives", arm.negatives, arm.deff_neg),
            ("positives", arm.positives, arm.deff_pos),
        ):
            effective = np.nan_to_num(count / deff)
            for index in np.flatnonzero(effective < needed):
                out[index] = (
                    f"{effective[index]:.1f} effective {what} in the {where}, {needed:g} needed"
                )
    return out
