"""Differences between a group and its reference: interval, test, and the tests of the margin.

A contrast is computed for all groups of a family at once. Rates are tested on effective counts
by mid-p Fisher; AUROC on the logit scale; observed/expected on the log scale; groups that share
patients by influence functions (fairness reference, section 2, rules 5 to 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.fairness.auroc import satterthwaite
from audits.fairness.intervals import (
    katz_ratio,
    mover,
    wilson,
)
from audits.fairness.rates import DENOMINATORS, Z95
from audits.fairness.ratios import Ratio, Sums
from audits.fairness.significance import (
    Limits,
    fisher_midp,
    margin_p_values,
    two_sided,
)
from audits.fairness.types import FloatArray

Z90 = 1.6448536269514722


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
        correlation = correlation_of(covariance, own.variance, ref.variance)
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


def correlation_of(covariance: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the correlation of two estimates, 0 where it is not known."""
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
    agree = ["every case is as predicted" if flat else None for flat in v_own + v_ref == 0]
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
        short=[a or b or c for a, b, c in zip(observed, expected, agree, strict=True)],
        ratio_scale=True,
    )
