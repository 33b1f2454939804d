"""Differences between a group and its reference: interval, test, and the tests of the margin.

A contrast is computed for all groups of a family at once. Rates are tested on effective counts
by mid-p Fisher; AUROC on the logit scale; observed/expected on the log scale; groups that share
patients by influence functions (fairness reference, section 2, rules 5 to 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincc, logit, stdtrit

from audits.fairness.auroc import Areas, satterthwaite
from audits.fairness.intervals import (
    SMALL_CLASS,
    hanley_mcneil,
    katz_ratio,
    logit_limits,
    mover,
    newcombe_auroc,
    wilson,
)
from audits.fairness.rates import DENOMINATORS, Z95
from audits.fairness.ratios import Ratio, Sums
from audits.fairness.significance import (
    Limits,
    benjamini_hochberg,
    fisher_midp,
    margin_p_values,
    two_sided,
)
from audits.fairness.types import BoolArray, FloatArray

Z90 = 1.6448536269514722
_GRID = np.arange(0.0, 8.25, 0.25)

__all__ = ["Contrast", "benjamini_hochberg", "contrast_areas", "contrast_oe", "contrast_rates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Group against reference on one metric, for every group of a family; fields (groups,).

    ``difference``, its limits and ``margin`` are on the scale that is printed: a difference,
    for ``oe_ratio`` a ratio. ``gap`` and ``spread`` are on the scale of the margin's test.

    Attributes:
        first: Estimate of the group.
        second: Estimate of the reference.
        difference: Printed difference or ratio.
        low: Lower 95 % limit.
        high: Upper 95 % limit.
        low90: Lower 90 % limit.
        high90: Upper 90 % limit.
        gap: Difference on the scale of the margin.
        margin: Margin on that scale.
        unit_first: Variance of the group's estimate times its effective size.
        unit_second: The same of the reference.
        size_first: Effective size of the group.
        size_second: Effective size of the reference.
        deff: Design effect of the group's denominator.
        p: Two-sided p of no difference.
        p_margin: One-sided p of a difference within the margin.
        p_equivalence: p of a difference beyond the margin.
        ratio: Ratio of two rates with its 95 % limits, (3, groups), or None.
        test: Name of the test.
        short: Why a group cannot be evaluated, or None.
    """

    first: FloatArray
    second: FloatArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    low90: FloatArray
    high90: FloatArray
    gap: FloatArray
    margin: float
    unit_first: FloatArray
    unit_second: FloatArray
    size_first: FloatArray
    size_second: FloatArray
    deff: FloatArray
    p: FloatArray
    p_margin: FloatArray
    p_equivalence: FloatArray
    test: str
    short: list[str | None]
    ratio: FloatArray | None = None


def contrast_rates(metric: str, ratio: Ratio, *, margin: float, needed: float) -> Contrast:
    """Compare a rate of every group with its reference."""
    own, ref, shared = ratio.group, ratio.reference, ratio.shared
    if ref is None:
        raise ValueError(metric)
    deff_own, deff_ref = own.deff(ratio.rho), ref.deff(ratio.rho)
    n_own, n_ref = own.n / deff_own, ref.n / deff_ref
    p_own, p_ref = own.value, ref.value
    gap = p_own - p_ref
    correlation = np.zeros(len(gap))
    if shared is None:
        p, test = _effective_fisher(p_own, n_own, p_ref, n_ref), "mid-p fisher"
    else:
        covariance = shared.covariance(own, ref)
        correlation = _correlation(covariance, own.variance, ref.variance)
        variance = _shared_variance(ratio, own, ref, covariance)
        df = satterthwaite((own.variance, own.patients), (ref.variance, ref.patients))
        p, test = two_sided_or_one(gap, variance, df), "influence-function t"
    undefined = np.isnan(gap)
    p = np.where(undefined, np.nan, p)

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        return mover(
            (p_own, *wilson(p_own, n_own, c)), (p_ref, *wilson(p_ref, n_ref, c)), correlation
        )

    what = DENOMINATORS[metric]
    return assemble(
        first=p_own,
        second=p_ref,
        gap=gap,
        limits=limits,
        margin=margin,
        units=(_binomial(p_own, n_own), _binomial(p_ref, n_ref)),
        sizes=(n_own, n_ref),
        deff=deff_own,
        p=p,
        test=test,
        short=too_small((n_own, n_ref), needed, what),
        ratio=_rate_ratio((p_own, n_own), (p_ref, n_ref), correlation),
    )


def _rate_ratio(
    own: tuple[FloatArray, FloatArray], ref: tuple[FloatArray, FloatArray], correlation: FloatArray
) -> FloatArray:
    """Return the ratio of two rates with Katz limits, (3, groups); NaN where undefined.

    On effective counts; where arms share patients the log ratio's variance loses what they share.
    """
    k_own, k_ref = own[0] * own[1], ref[0] * ref[1]
    ratio, low, high = katz_ratio(k_own, own[1], k_ref, ref[1], Z95, correlation)
    return np.stack((ratio, low, high))


def _effective_fisher(
    p_own: FloatArray, n_own: FloatArray, p_ref: FloatArray, n_ref: FloatArray
) -> FloatArray:
    """Return mid-p Fisher on effective counts: n rounded, the proportion kept."""
    m, n = np.rint(np.nan_to_num(n_own)), np.rint(np.nan_to_num(n_ref))
    k, j = np.rint(np.nan_to_num(p_own) * m), np.rint(np.nan_to_num(p_ref) * n)
    return fisher_midp(k, m, j, n)


def _shared_variance(ratio: Ratio, own: Sums, ref: Sums, covariance: FloatArray) -> FloatArray:
    """Return the variance of the difference where arms share patients.

    The larger of the influence-function variance and the one that a common rate with the pooled
    correlation implies: the former is nothing where every case of a small group is alike.
    """
    if ratio.shared is None:
        raise ValueError("no shared patients")
    robust = own.variance + ref.variance - 2 * covariance
    rate = (own.k + ref.k) / np.maximum(own.n + ref.n, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        overlap = 2 * ratio.rho * ratio.shared.mm / (own.n * ref.n)
        unit = own.deff(ratio.rho) / own.n + ref.deff(ratio.rho) / ref.n - overlap
    return np.asarray(np.fmax(robust, rate * (1 - rate) * unit))


def _correlation(covariance: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = covariance / np.sqrt(first * second)
    return np.clip(np.nan_to_num(value, nan=0.0, posinf=0.0, neginf=0.0), -0.99, 0.99)


def two_sided_or_one(gap: FloatArray, variance: FloatArray, df: FloatArray) -> FloatArray:
    """Return a two-sided t p-value; 1 where there is no variance, NaN where it is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = gap / np.sqrt(variance)
    p = two_sided(np.nan_to_num(statistic), df)
    p = np.where(variance > 0, p, 1.0)
    return np.asarray(np.where(np.isnan(variance), np.nan, p))


def _binomial(p: FloatArray, n: FloatArray) -> FloatArray:
    """Return p(1 - p), with a half case added to each side where the rate is 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.where((p == 0) | (p == 1), (p * n + 0.5) / (n + 1), p)
    return np.asarray(smooth * (1 - smooth))


def too_small(sizes: tuple[FloatArray, FloatArray], needed: float, what: str) -> list[str | None]:
    """Return, for each group, why its sizes or its reference's do not do, or None."""
    out: list[str | None] = []
    for own, ref in zip(np.nan_to_num(sizes[0]), np.nan_to_num(sizes[1]), strict=True):
        if own < needed:
            out.append(f"{own:.1f} effective {what} in the group, {needed:g} needed")
        elif ref < needed:
            out.append(f"{ref:.1f} effective {what} in the reference, {needed:g} needed")
        else:
            out.append(None)
    return out


def assemble(  # noqa: PLR0913 - the fields of one contrast
    *,
    first: FloatArray,
    second: FloatArray,
    gap: FloatArray,
    limits: Limits,
    margin: float,
    units: tuple[FloatArray, FloatArray],
    sizes: tuple[FloatArray, FloatArray],
    deff: FloatArray,
    p: FloatArray,
    test: str,
    short: list[str | None],
    ratio_scale: bool = False,
    ratio: FloatArray | None = None,
) -> Contrast:
    """Return the contrast with its limits and the tests of the margin."""
    size = len(gap)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low, high = limits(np.full(size, Z95))
        low90, high90 = limits(np.full(size, Z90))
        p_margin, p_equivalence = margin_p_values(gap, np.full(size, margin), limits, None)
    undefined = np.isnan(gap)
    shown = [gap, low, high, low90, high90]
    if ratio_scale:
        with np.errstate(over="ignore"):
            shown = [np.exp(item) for item in shown]
    return Contrast(
        first=first,
        second=second,
        difference=shown[0],
        low=shown[1],
        high=shown[2],
        low90=shown[3],
        high90=shown[4],
        gap=gap,
        margin=margin,
        unit_first=units[0],
        unit_second=units[1],
        size_first=sizes[0],
        size_second=sizes[1],
        deff=deff,
        p=p,
        p_margin=np.where(undefined, np.nan, p_margin),
        p_equivalence=np.where(undefined, np.nan, p_equivalence),
        test=test,
        short=short,
        ratio=ratio,
    )


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
    correlation = _correlation(covariance, own.variance, ref.variance)
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


def contrast_oe(ratio: Ratio, *, deff: float, margin: float, needed: float) -> Contrast:
    """Compare observed/expected events of every group with its reference, as a ratio.

    Log scale; the error is that of the residuals y - R p, summed by patient.
    """
    own, ref, shared = ratio.group, ratio.reference, ratio.shared
    if ref is None:
        raise ValueError("oe_ratio")
    first, second = own.value, ref.value
    with np.errstate(divide="ignore", invalid="ignore"):
        log_own, log_ref = np.log(first), np.log(second)
        gap = np.where((own.k > 0) & (ref.k > 0), log_own - log_ref, np.nan)
        v_own, v_ref = own.variance / first**2, ref.variance / second**2
        covariance = np.zeros(len(gap))
        if shared is not None:
            covariance = shared.covariance(own, ref) / (first * second)
        variance = np.maximum(v_own + v_ref - 2 * covariance, 0.01 * (v_own + v_ref))
        df = satterthwaite((v_own, np.minimum(own.patients, own.k)), (v_ref, ref.patients))
    p = np.where(np.isnan(gap), np.nan, two_sided_or_one(gap, variance, df))
    spread = np.sqrt(variance) * stdtrit(df, 0.975) / Z95
    events = own.k / deff, ref.k / deff

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        return gap - c * spread, gap + c * spread

    expected = too_small((own.n / deff, ref.n / deff), needed, "expected events")
    observed = too_small(events, needed, "observed events")
    return assemble(
        first=first,
        second=second,
        gap=gap,
        limits=limits,
        margin=float(np.log(margin)),
        units=(v_own * own.patients, v_ref * ref.patients),
        sizes=(own.patients, ref.patients),
        deff=np.ones(len(gap)),
        p=p,
        test="influence-function t, log ratio",
        short=[a or b for a, b in zip(observed, expected, strict=True)],
        ratio_scale=True,
    )
