"""The nine rates at one threshold, in every group of a family, from one table of counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.intervals import INSUFFICIENT_BELOW, jeffreys, wilson
from audits.fairness.ratios import Ratio, Sums, group_sums, pooled_icc, reference_sums
from audits.fairness.types import BoolArray, FloatArray
from audits.types import Estimate

Z95 = 1.959963984540054

DENOMINATORS = {
    "tpr": "positives",
    "fnr": "positives",
    "fpr": "negatives",
    "tnr": "negatives",
    "ppv": "predicted positives",
    "npv": "predicted negatives",
    "accuracy": "cases",
    "selection_rate": "cases",
    "prevalence": "cases",
}
MIRROR = {"fnr": "tpr", "tnr": "fpr"}
"""Complements share the denominator, the correlation and the variance of the other rate."""

NEEDS_NO_THRESHOLD = ("prevalence",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Counts of each (group, patient) pair: positives, negatives, and those predicted positive."""

    pos: FloatArray
    neg: FloatArray
    tp: FloatArray
    fp: FloatArray

    def of(self, metric: str) -> tuple[FloatArray, FloatArray]:
        """Return numerator x and denominator m of a rate, per pair."""
        pos, neg, tp, fp = self.pos, self.neg, self.tp, self.fp
        rows = pos + neg
        parts = {
            "tpr": (tp, pos),
            "fnr": (pos - tp, pos),
            "fpr": (fp, neg),
            "tnr": (neg - fp, neg),
            "ppv": (tp, tp + fp),
            "npv": (neg - fp, rows - tp - fp),
            "accuracy": (tp + (neg - fp), rows),
            "selection_rate": (tp + fp, rows),
            "prevalence": (pos, rows),
        }
        return parts[metric]


def predicted_positive(frame: Frame, threshold: float | None) -> BoolArray:
    """Return score >= threshold in float64; nobody where there is no threshold."""
    if threshold is None:
        return np.zeros(frame.n, dtype=np.bool_)
    return np.asarray(frame.score >= np.float64(threshold))


def pair_counts(frame: Frame, family: Family, predicted: BoolArray) -> PairCounts:
    """Count each pair's rows by label and prediction in one pass."""
    kind = family.pair_of_row * 4 + frame.positive * 2 + predicted
    pairs = len(family.pair_group)
    table = np.bincount(kind, minlength=4 * (pairs + 1))[: 4 * pairs].reshape(pairs, 4)
    neg, pos = table[:, 0] + table[:, 1], table[:, 2] + table[:, 3]
    return PairCounts(
        pos=pos.astype(np.float64),
        neg=neg.astype(np.float64),
        tp=table[:, 3].astype(np.float64),
        fp=table[:, 1].astype(np.float64),
    )


def measure_rates(
    frame: Frame,
    family: Family,
    counts: PairCounts,
    *,
    compared: Mapping[str, int] | None = None,
) -> dict[str, Ratio]:
    """Return every rate of every group.

    Args:
        frame: The rows.
        family: The groups.
        counts: Counts of each (group, patient) pair.
        compared: Rates that are compared -> the reference (a group's index, or ``REST``).
    """
    compared = compared or {}
    out: dict[str, Ratio] = {}
    for metric in DENOMINATORS:
        if metric in MIRROR and metric not in compared:
            continue
        x, m = counts.of(metric)
        sums = group_sums(family, x, m)
        rho = pooled_icc(x, m, sums) if frame.clustered else 0.0
        reference, shared = None, None
        if metric in compared:
            reference, shared = reference_sums(family, frame, x, m, sums, compared[metric])
        out[metric] = Ratio(group=sums, rho=rho, reference=reference, shared=shared)
    for metric, source in MIRROR.items():
        if metric not in out:
            out[metric] = Ratio(group=complement(out[source].group), rho=out[source].rho)
    return out


def complement(sums: Sums) -> Sums:
    """Return the sums of 1 - rate."""
    return Sums(
        k=sums.n - sums.k,
        n=sums.n,
        patients=sums.patients,
        xx=sums.mm - 2 * sums.xm + sums.xx,
        xm=sums.mm - sums.xm,
        mm=sums.mm,
    )


def rate_estimates(
    metric: str, ratio: Ratio, *, named_patients: bool, level: float = 0.95, z: float = Z95
) -> list[Estimate]:
    """Return the estimates of one rate: Wilson on effective counts, Jeffreys below five."""
    sums = ratio.group
    deff = sums.deff(ratio.rho)
    effective = sums.n / deff
    value = sums.value
    low, high = wilson(value, effective, z)
    few = (sums.n > 0) & (sums.n < INSUFFICIENT_BELOW)
    if few.any():
        exact_low, exact_high = jeffreys(value[few], effective[few], level)
        low[few], high[few] = exact_low, exact_high
    denominator = DENOMINATORS[metric]
    rows = zip(
        value.tolist(),
        low.tolist(),
        high.tolist(),
        sums.k.tolist(),
        sums.n.tolist(),
        sums.patients.tolist(),
        deff.tolist(),
        strict=True,
    )
    out = []
    for rate, lower, upper, k, n, patients, effect in rows:
        who = int(patients) if named_patients else None
        if n == 0:
            out.append(Estimate.undefined(f"no {denominator}", n=0, n_patients=who))
            continue
        short = n < INSUFFICIENT_BELOW
        reason = f"insufficient: {int(n)} {denominator}, {INSUFFICIENT_BELOW} needed"
        out.append(
            Estimate(
                value=rate,
                low=lower,
                high=upper,
                level=level,
                k=int(k),
                n=int(n),
                n_patients=who,
                deff=effect,
                method="jeffreys" if short else "wilson",
                reason=reason if short else None,
            )
        )
    return out
