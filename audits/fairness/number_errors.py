"""Errors of predicted numbers, in the outcome's unit, and their differences between groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtrit

from audits.fairness.auroc import satterthwaite
from audits.fairness.contrasts import Contrast, assemble, too_small, two_sided_or_one
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.rates import Z95
from audits.fairness.ratios import Ratio, group_sums, reference_sums
from audits.fairness.types import FloatArray

ERROR_BOUNDS: Mapping[str, tuple[float, float]] = {"mae": (0.0, np.inf), "bias": (-np.inf, np.inf)}


def number_errors(frame: Frame) -> dict[str, FloatArray]:
    """Return what is averaged, per row: |ŷ - y| for ``mae``, ŷ - y for ``bias``."""
    error = frame.score - frame.y
    return {"mae": np.abs(error), "bias": error}


def mean_ratio(
    frame: Frame, family: Family, values: FloatArray, reference: int
) -> tuple[Ratio, float]:
    """Return the mean of per-row values in every group and its reference, and the design effect.

    Args:
        frame: The rows.
        family: The groups.
        values: What is averaged, (n,).
        reference: Index of the reference group, or ``REST``.

    Returns:
        Means around the mean of all cases, which keeps small errors of large numbers exact and
        leaves every difference as it is; and the design effect.
    """
    values = values - (values.mean() if frame.n else 0.0)
    x, m = family.sum_to_pairs(values), family.sum_to_pairs(np.ones(frame.n))
    sums = group_sums(family, x, m)
    ref, shared = reference_sums(family, frame, x, m, sums, reference)
    residual = values - np.append(np.nan_to_num(sums.value), 0.0)[family.code]
    inside = residual[family.code < family.size]
    by_pair = family.sum_to_pairs(residual)
    plain = float(inside @ inside)
    deff = max(1.0, float(by_pair @ by_pair) / plain) if plain > 0 and frame.clustered else 1.0
    return Ratio(group=sums, rho=0.0, reference=ref, shared=shared), deff


def contrast_means(ratio: Ratio, *, deff: float, margin: float, needed: float) -> Contrast:
    """Compare the mean of every group with its reference: Welch's t, summed by patient.

    Groups that share patients bring the covariance of both influence functions; groups that share
    none and have a patient each make this Welch's test.

    Args:
        ratio: Means of the groups and of their references.
        deff: Design effect of the errors.
        margin: Margin in the outcome's unit.
        needed: Effective cases needed on each side.
    """
    own, ref, shared = ratio.group, ratio.reference, ratio.shared
    if ref is None:
        raise ValueError("reference")
    gap = own.value - ref.value
    v_own, v_ref = own.variance, ref.variance
    covariance = np.zeros(len(gap)) if shared is None else shared.covariance(own, ref)
    variance = np.maximum(v_own + v_ref - 2 * covariance, 0.01 * (v_own + v_ref))
    df = satterthwaite((v_own, own.patients), (v_ref, ref.patients))
    spread = np.sqrt(variance) * stdtrit(df, 0.975) / Z95
    sizes = own.n / deff, ref.n / deff
    short = too_small(sizes, needed, "cases")
    still = ~(variance > 0)

    def limits(c: FloatArray) -> tuple[FloatArray, FloatArray]:
        return gap - c * spread, gap + c * spread

    return assemble(
        first=own.value,
        second=ref.value,
        gap=gap,
        limits=limits,
        margin=margin,
        units=(v_own * sizes[0], v_ref * sizes[1]),
        sizes=sizes,
        deff=np.full(len(gap), deff),
        p=np.where(np.isnan(gap), np.nan, two_sided_or_one(gap, variance, df)),
        test="welch t" if shared is None else "influence-function t",
        short=[
            said or ("the errors do not vary" if flat else None)
            for said, flat in zip(short, still, strict=True)
        ],
    )
