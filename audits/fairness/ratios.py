"""Ratios of sums over patients: every rate, and observed over expected events.

A rate is k/n with k and n summed over the patients of a group. Its sampling error follows from
the patients' own (x, m): with one pooled intra-class correlation (rates), or from the influence
functions (x - θ m) / n (everything else, and groups that share patients).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.types import FloatArray

REST = -1
"""Reference of a comparison: everybody of the family outside the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over the patients of a set of rows; every field (groups,).

    Attributes:
        k: Σ x.
        n: Σ m.
        patients: Patients with m > 0.
        xx: Σ x².
        xm: Σ x m.
        mm: Σ m².
    """

    k: FloatArray
    n: FloatArray
    patients: FloatArray
    xx: FloatArray
    xm: FloatArray
    mm: FloatArray

    @property
    def value(self) -> FloatArray:
        """Return k/n, NaN where n is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.n > 0, self.k / self.n, np.nan)

    @property
    def variance(self) -> FloatArray:
        """Return the influence-function variance of k/n, clustered by patient."""
        theta = self.value
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = self.xx - 2 * theta * self.xm + theta * theta * self.mm
            small = self.patients / (self.patients - 1)
            variance = small * np.maximum(squares, 0) / self.n**2
        return np.where(self.patients > 1, variance, np.nan)

    def deff(self, rho: float) -> FloatArray:
        """Return 1 + (m - 1) rho with m = Σm²/Σm, the size of the cluster of a random row."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.n > 0, 1 + (self.mm / self.n - 1) * rho, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Cross sums over patients who are in the group and in its reference; each (groups,)."""

    xx: FloatArray
    x_m: FloatArray
    m_x: FloatArray
    mm: FloatArray

    def covariance(self, group: Sums, reference: Sums) -> FloatArray:
        """Return the covariance of both ratios from their influence functions."""
        a, b = group.value, reference.value
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = self.xx - b * self.x_m - a * self.m_x + a * b * self.mm
            return np.where(group.n * reference.n > 0, cross / (group.n * reference.n), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio in every group of a family, with its reference where one is asked for.

    Attributes:
        group: Sums of each group.
        rho: Intra-class correlation, pooled over the groups of the family.
        reference: Sums of each group's reference, or None.
        shared: Cross sums where patients are shared, or None.
    """

    group: Sums
    rho: float
    reference: Sums | None = None
    shared: Shared | None = None


def group_sums(family: Family, x: FloatArray, m: FloatArray) -> Sums:
    """Return the sums of every group from per-pair x and m."""
    return Sums(
        k=family.sum_pairs(x),
        n=family.sum_pairs(m),
        patients=family.sum_pairs(m > 0),
        xx=family.sum_pairs(x * x),
        xm=family.sum_pairs(x * m),
        mm=family.sum_pairs(m * m),
    )


def pooled_icc(x: FloatArray, m: FloatArray, sums: Sums) -> float:
    """Return the ANOVA intra-class correlation of a 0/1 outcome within patients.

    Pooled over the groups of the family, each around its own rate, so that a true difference
    between groups is not taken for a likeness of a patient's rows. Clipped to [0, 1]; 1 where
    patients repeat and the data cannot tell.
    """
    return icc_from_sums(own_squares(x, m), sums)


def own_squares(x: FloatArray, m: FloatArray) -> float:
    """Return Σ x²/m over all pairs, which the intra-class correlation is estimated from."""
    return float((x * x / np.where(m > 0, m, 1)).sum())


def icc_from_sums(own: float, sums: Sums) -> float:
    """Return the pooled correlation from Σ x²/m over all pairs and the sums of each group."""
    used = sums.n > 0
    clusters, rows = float(sums.patients[used].sum()), float(sums.n[used].sum())
    between_df, within_df = clusters - float(used.sum()), rows - clusters
    if within_df <= 0:
        return 0.0
    if between_df <= 0:
        return 1.0
    between = own - float((sums.k[used] ** 2 / sums.n[used]).sum())
    within = float(sums.k[used].sum()) - own
    size = (rows - float((sums.mm[used] / sums.n[used]).sum())) / between_df
    between_ms, within_ms = between / between_df, within / within_df
    total = between_ms + (size - 1) * within_ms
    if total <= 0:  # every row alike: nothing tells how alike a patient's rows are
        return 1.0
    return float(np.clip((between_ms - within_ms) / total, 0.0, 1.0))


def reference_sums(
    family: Family, frame: Frame, x: FloatArray, m: FloatArray, own: Sums, reference: int
) -> tuple[Sums, Shared | None]:
    """Return the sums of each group's reference, and the cross sums where patients are shared."""
    if reference != REST:
        return _level_sums(family, frame, x, m, own, reference)
    if not family.shared:
        totals = {name: getattr(own, name) for name in Sums.__slots__}
        return Sums(**{name: values.sum() - values for name, values in totals.items()}), None
    whose = family.pair_patient
    all_x = np.bincount(whose, x, frame.patients)
    all_m = np.bincount(whose, m, frame.patients)
    mine_x, mine_m = all_x[whose], all_m[whose]
    rest_x, rest_m = mine_x - x, mine_m - m
    rest = Sums(
        k=own.k.sum() - own.k,
        n=own.n.sum() - own.n,
        patients=float((all_m > 0).sum())
        - family.sum_pairs((mine_m > 0).astype(np.float64) - (rest_m > 0)),
        xx=float((all_x * all_x).sum()) - family.sum_pairs(mine_x * mine_x - rest_x * rest_x),
        xm=float((all_x * all_m).sum()) - family.sum_pairs(mine_x * mine_m - rest_x * rest_m),
        mm=float((all_m * all_m).sum()) - family.sum_pairs(mine_m * mine_m - rest_m * rest_m),
    )
    return rest, _cross(family, (x, m), (rest_x, rest_m))


def _level_sums(
    family: Family, frame: Frame, x: FloatArray, m: FloatArray, own: Sums, level: int
) -> tuple[Sums, Shared | None]:
    picked = {name: getattr(own, name)[level] for name in Sums.__slots__}
    sums = Sums(**{name: np.full(family.size, value) for name, value in picked.items()})
    if not family.shared:
        return sums, None
    there = family.pair_group == level
    whose = family.pair_patient[there]
    level_x, level_m = np.zeros(frame.patients), np.zeros(frame.patients)
    level_x[whose], level_m[whose] = x[there], m[there]
    other = (level_x[family.pair_patient], level_m[family.pair_patient])
    return sums, _cross(family, (x, m), other)


def _cross(
    family: Family, mine: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> Shared:
    return Shared(
        xx=family.sum_pairs(mine[0] * other[0]),
        x_m=family.sum_pairs(mine[0] * other[1]),
        m_x=family.sum_pairs(mine[1] * other[0]),
        mm=family.sum_pairs(mine[1] * other[1]),
    )
