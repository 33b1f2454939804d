"""AUROC of every group with DeLong's variance, or Obuchowski's where patients repeat.

The placement value of a positive is the share of the group's negatives scored below it (ties
half), that of a negative the share of positives above it. Sums of placement values by patient
give the clustered variance (Obuchowski 1997), which is DeLong's (1988) where every patient has
one row. Areas are ratios of whole numbers, so they are exact to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.fairness.cells import PerLabel, ScoreCells
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.intervals import SMALL_CLASS, logit_limits, newcombe_auroc
from audits.fairness.rates import Z95
from audits.fairness.types import FloatArray, IntArray
from audits.types import Estimate

SHORT_CLASS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """Areas under the ROC curve of several sets of rows; every field (groups,).

    Attributes:
        area: AUROC, NaN where a class is empty.
        positives: Rows with label 1.
        negatives: Rows with label 0.
        patients: Patients with any row.
        v_pos: Variance that comes from the positives.
        v_neg: Variance that comes from the negatives.
        cross: Variance that comes from patients with both.
        c_pos: Patients with a positive row.
        c_neg: Patients with a negative row.
        deff_pos: Design effect of the positives' placement values.
        deff_neg: Design effect of the negatives' placement values.
    """

    area: FloatArray
    positives: FloatArray
    negatives: FloatArray
    patients: FloatArray
    v_pos: FloatArray
    v_neg: FloatArray
    cross: FloatArray
    c_pos: FloatArray
    c_neg: FloatArray
    deff_pos: FloatArray
    deff_neg: FloatArray

    @property
    def variance(self) -> FloatArray:
        """Return the variance of the area, NaN where a class has fewer than two patients."""
        total = self.v_pos + self.v_neg + self.cross
        # Few patients with both classes can make the cross term outweigh the others by chance.
        return np.maximum(total, (self.v_pos + self.v_neg) * 0.1)

    @property
    def df(self) -> FloatArray:
        """Return Satterthwaite's degrees of freedom."""
        return satterthwaite((self.v_pos, self.c_pos), (self.v_neg, self.c_neg))

    def take(self, index: int) -> Areas:
        """Return one set's values for every group."""
        size = len(self.area)
        return Areas(
            **{name: np.full(size, getattr(self, name)[index]) for name in Areas.__slots__}
        )


def satterthwaite(*parts: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return the degrees of freedom of a sum of variances, each from so many patients."""
    total = np.sum([variance for variance, _ in parts], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.sum(
            [variance**2 / np.maximum(patients - 1, 1) for variance, patients in parts], axis=0
        )
        return np.where(weight > 0, np.maximum(total**2 / weight, 1.0), 1.0)


def outranked(cells: ScoreCells) -> tuple[IntArray, IntArray]:
    """Return twice the number of the other class that a row of each cell outranks, by label.

    A positive outranks the negatives below it, a negative is outranked by (and counts) the
    positives above it; ties count once of two.
    """
    for_pos = 2 * cells.neg_below + cells.neg
    for_neg = 2 * (cells.positives[cells.group] - cells.pos_below) - cells.pos
    return for_pos, for_neg


def twice_the_wins(cells: ScoreCells) -> FloatArray:
    """Return twice the number of concordant pairs of each group, whole numbers."""
    return cells.sum_cells(cells.pos.astype(np.float64) * outranked(cells)[0])


def area_values(cells: ScoreCells) -> FloatArray:
    """Return the area of every group, NaN where a class is empty."""
    pairs = cells.positives.astype(np.float64) * cells.negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pairs > 0, twice_the_wins(cells) / (2 * pairs), np.nan)


def placement_values(cells: ScoreCells) -> PerLabel:
    """Return the placement value of a positive and of a negative of each cell."""
    pos, neg = cells.positives.astype(np.float64), cells.negatives.astype(np.float64)
    for_pos, for_neg = outranked(cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(neg[cells.group] > 0, for_pos / (2 * neg[cells.group]), 0.0),
            np.where(pos[cells.group] > 0, for_neg / (2 * pos[cells.group]), 0.0),
        )


def area_sums(
    frame: Frame, family: Family, cells: ScoreCells, value: FloatArray, area: FloatArray
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return the sums over patients behind the variance of each area, and each pair's influence.

    The sums add up over parts of the rows that never split a patient.

    Args:
        frame: Some or all of the rows.
        family: Their groups.
        cells: Counts of all rows.
        value: Placement value of each row of the frame; 0 for rows in no group.
        area: Areas over all rows.
    """
    pos, neg = cells.positives.astype(np.float64), cells.negatives.astype(np.float64)
    is_pos = frame.positive.astype(np.float64)
    is_neg = 1 - is_pos
    own_pos, own_neg = value * is_pos, value * is_neg
    sum_pos, sum_neg = family.sum_to_pairs(own_pos), family.sum_to_pairs(own_neg)
    m_pos, m_neg = family.sum_to_pairs(is_pos), family.sum_to_pairs(is_neg)
    centre = area[family.pair_group]
    a, b = sum_pos - m_pos * centre, sum_neg - m_neg * centre
    with np.errstate(divide="ignore", invalid="ignore"):
        influence = a / pos[family.pair_group] + b / neg[family.pair_group]
    sums = {
        "aa": family.sum_pairs(a * a),
        "bb": family.sum_pairs(b * b),
        "ab": family.sum_pairs(a * b),
        **_deff_sums(frame, family, "pos", own_pos, sum_pos, m_pos),
        **_deff_sums(frame, family, "neg", own_neg, sum_neg, m_neg),
    }
    return sums, np.nan_to_num(influence)


def areas_from(
    sums: Mapping[str, FloatArray],
    family: Family,
    cells: ScoreCells,
    area: FloatArray,
    *,
    clustered: bool,
) -> Areas:
    """Return areas with the variance that the sums of :func:`area_sums` imply."""
    pos, neg = cells.positives.astype(np.float64), cells.negatives.astype(np.float64)
    c_pos, c_neg, patients = sums["pos clusters"], sums["neg clusters"], family.patients
    with np.errstate(divide="ignore", invalid="ignore"):
        v_pos = c_pos / (c_pos - 1) * sums["aa"] / pos**2
        v_neg = c_neg / (c_neg - 1) * sums["bb"] / neg**2
        cross = 2 * patients / (patients - 1) * sums["ab"] / (pos * neg)
    defined = (c_pos > 1) & (c_neg > 1)
    return Areas(
        area=area,
        positives=pos,
        negatives=neg,
        patients=patients,
        v_pos=np.where(defined, v_pos, np.nan),
        v_neg=np.where(defined, v_neg, np.nan),
        cross=np.where(defined & clustered, cross, 0.0),
        c_pos=c_pos,
        c_neg=c_neg,
        deff_pos=_deff(sums, "pos", clustered=clustered),
        deff_neg=_deff(sums, "neg", clustered=clustered),
    )


def _deff_sums(
    frame: Frame,
    family: Family,
    which: str,
    value: FloatArray,
    total: FloatArray,
    m: FloatArray,
) -> dict[str, FloatArray]:
    sums = {"clusters": family.sum_pairs(m > 0)}
    if frame.clustered:
        inside = value[family.pair_of_row < len(m)]
        sums |= {
            "n": family.sum_pairs(m),
            "mm": family.sum_pairs(m * m),
            "sums": family.sum_pairs(total),
            "own": np.asarray((total * total / np.where(m > 0, m, 1)).sum()),
            "rows": np.asarray(inside @ inside),
        }
    return {f"{which} {name}": part for name, part in sums.items()}


def _deff(sums: Mapping[str, FloatArray], which: str, *, clustered: bool) -> FloatArray:
    """Return the design effect of placement values, with one pooled ANOVA correlation."""
    clusters = sums[f"{which} clusters"]
    if not clustered:
        return np.ones(len(clusters))
    n, mm, totals = (sums[f"{which} {name}"] for name in ("n", "mm", "sums"))
    own, rows = float(sums[f"{which} own"]), float(sums[f"{which} rows"])
    used = n > 0
    between_df = float(clusters[used].sum() - used.sum())
    within_df = float(n[used].sum() - clusters[used].sum())
    if within_df <= 0:
        return np.ones(len(clusters))
    if between_df <= 0:  # one patient a group tells nothing of the correlation: take all of it
        return np.where(n > 0, mm / np.maximum(n, 1), 1.0)
    between = (own - float((totals[used] ** 2 / n[used]).sum())) / between_df
    within = (rows - own) / within_df
    size = (float(n[used].sum()) - float((mm[used] / n[used]).sum())) / between_df
    whole = between + (size - 1) * within
    rho = float(np.clip((between - within) / whole, 0, 1)) if whole > 0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, 1 + (mm / n - 1) * rho, 1.0)


def area_estimates(areas: Areas, *, named_patients: bool, level: float = 0.95) -> list[Estimate]:
    """Return the estimates of every group's AUROC.

    From 100 effective cases in the smaller class: logit limits with Satterthwaite's t. Below:
    Newcombe's method 5 on effective counts, which holds its level with 30 cases and is never of
    zero width.
    """
    m, n = areas.positives / areas.deff_pos, areas.negatives / areas.deff_neg
    value, variance = areas.area, areas.variance
    low, high = newcombe_auroc(value, m, n, Z95)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(variance) / (value * (1 - value))
    large = (np.minimum(m, n) >= SMALL_CLASS) & np.isfinite(se) & (se > 0)
    if large.any():
        c = stdtrit(areas.df[large], (1 + level) / 2)
        low[large], high[large] = logit_limits(value[large], se[large], c)
    clustered = bool((areas.deff_pos > 1).any() or (areas.deff_neg > 1).any())
    name = "logit obuchowski" if clustered else "logit delong"
    plain = np.where(large, _plain_variance_ratio(areas), np.nan)
    out = []
    for index in range(len(value)):
        pos, neg = int(areas.positives[index]), int(areas.negatives[index])
        who = int(areas.patients[index]) if named_patients else None
        if pos == 0 or neg == 0:
            missing = "positives" if pos == 0 else "negatives"
            reason = "no cases" if pos + neg == 0 else f"no {missing}"
            out.append(Estimate.undefined(reason, n=pos + neg, n_patients=who))
            continue
        short = min(pos, neg) < SHORT_CLASS
        reason = f"insufficient: {pos} positives and {neg} negatives, {SHORT_CLASS} of each needed"
        out.append(
            Estimate(
                value=float(value[index]),
                low=float(low[index]),
                high=float(high[index]),
                level=level,
                n=pos + neg,
                n_patients=who,
                deff=float(plain[index])
                if large[index]
                else float(max(areas.deff_pos[index], areas.deff_neg[index])),
                method=name if large[index] else "newcombe 5",
                reason=reason if short else None,
            )
        )
    return out


def _plain_variance_ratio(areas: Areas) -> FloatArray:
    """Return the clustered over the unclustered variance, from the classes' design effects."""
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = areas.v_pos / areas.deff_pos + areas.v_neg / areas.deff_neg
        return np.where(plain > 0, areas.variance / plain, 1.0)
