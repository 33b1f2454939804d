"""Moving the threshold: every group's rates and intervals in milliseconds.

Exploratory by nature: nothing here carries a verdict, and no verdict moves with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import stdtrit

from audits.errors import AuditError
from audits.fairness.audit import families_of
from audits.fairness.cells import ScoreCells, score_cells
from audits.fairness.frame import Family, Frame, build_frame, everybody
from audits.fairness.moments import Moments, patient_moments
from audits.fairness.rates import DENOMINATORS, MIRROR, complement, rate_estimates
from audits.fairness.ratios import Ratio, Sums, icc_from_sums
from audits.fairness.side_by_side import side_by_side
from audits.fairness.types import FloatArray, GroupResult, IntArray, ScoredOutput
from audits.policy import Policy, load_policy
from audits.types import Estimate

NOTE = "exploratory: the threshold was not declared, so there is no verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """Every group at one threshold.

    Attributes:
        threshold: Predicted positive means score >= threshold.
        overall: The whole cohort.
        groups: Every marginal group and declared intersection.
    """

    threshold: float
    overall: GroupResult
    groups: tuple[GroupResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, marked exploratory."""
        return {
            "threshold": self.threshold,
            "exploratory": True,
            "note": NOTE,
            "overall": self.overall.to_dict(),
            "groups": [group.to_dict() for group in self.groups],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One family, ready for any threshold."""

    family: Family
    key: IntArray
    pos_below: IntArray
    neg_below: IntArray
    positives: FloatArray
    negatives: FloatArray
    patients: FloatArray
    distinct: int
    moments: Moments | None


class ThresholdExplorer:
    """Counts of an output by group and score, made once and asked at any threshold.

    Counts at a threshold are exact. Design effects of repeated patients come from the nearest of
    4,096 thresholds spread evenly over the distinct scores.

    Example:
        >>> output = ScoredOutput(name="y", y=np.asarray([0, 1, 1]), score=np.asarray([.1, .4, .9]))
        >>> ThresholdExplorer(output).at(0.4).overall.metrics["tpr"].k
        2
    """

    def __init__(self, output: ScoredOutput, policy: Policy | None = None) -> None:
        """Count once.

        Args:
            output: Labels, scores and groups; its own threshold does not matter.
            policy: Says which intersections there are; None takes the marginals only.

        Raises:
            AuditError: If the output is a regression, which has no threshold.
        """
        self.frame = build_frame(output)
        if self.frame.regression:
            raise AuditError(
                f"Output {output.name!r} is a regression and has no threshold to explore; "
                "choose an output with a label."
            )
        policy = policy or load_policy(None, groups=[item.name for item in output.attributes])
        families, _ = families_of(self.frame, output, policy)
        tasks = [
            partial(_table, self.frame, family) for family in (everybody(self.frame), *families)
        ]
        self._tables = side_by_side(tasks, self.frame.n)

    def at(self, threshold: float) -> Exploration:
        """Return every group's rates and net benefit at a threshold, with intervals."""
        groups = [self._measure(table, float(threshold)) for table in self._tables]
        return Exploration(
            threshold=float(threshold),
            overall=groups[0][0],
            groups=tuple(group for family in groups[1:] for group in family),
        )

    def _measure(self, table: _Table, threshold: float) -> list[GroupResult]:
        frame, family = self.frame, table.family
        rank = int(np.searchsorted(frame.distinct, np.float64(threshold)))
        tp, fp = _above(table, rank, table.distinct)
        ratios = _ratios(table, tp, fp, rank)
        estimates = {
            metric: rate_estimates(metric, ratios[metric], named_patients=frame.named_patients)
            for metric in DENOMINATORS
        }
        if frame.probabilities and 0 < threshold < 1:
            estimates["net_benefit"] = _net_benefit(frame, table, tp, fp, rank, threshold)
        return [
            GroupResult(
                attributes=label,
                n=int(table.positives[index] + table.negatives[index]),
                patients=int(table.patients[index]) if frame.named_patients else None,
                positives=int(table.positives[index]),
                metrics={name: values[index] for name, values in estimates.items()},
                declared=False,
            )
            for index, label in enumerate(family.labels)
        ]


def explore_threshold(
    output: ScoredOutput,
    threshold: float,
    *,
    policy: Policy | None = None,
    explorer: ThresholdExplorer | None = None,
) -> Exploration:
    """Return every group's rates at an undeclared threshold; exploratory, without a verdict.

    Args:
        output: Labels, scores and groups.
        threshold: Predicted positive means score >= threshold.
        policy: Says which intersections there are.
        explorer: The counts of an earlier call, which make this one take milliseconds.
    """
    return (explorer or ThresholdExplorer(output, policy)).at(threshold)


def _table(frame: Frame, family: Family) -> _Table:
    cells: ScoreCells = score_cells(frame, family.by_score, family.code, family.size)
    return _Table(
        family=family,
        key=cells.group * max(len(frame.distinct), 1) + cells.rank,
        pos_below=cells.pos_below,
        neg_below=cells.neg_below,
        positives=cells.positives.astype(np.float64),
        negatives=cells.negatives.astype(np.float64),
        patients=family.sum_pairs(np.ones(len(family.pair_group))),
        distinct=max(len(frame.distinct), 1),
        moments=patient_moments(frame, family) if frame.clustered else None,
    )


def _above(table: _Table, rank: int, distinct: int) -> tuple[FloatArray, FloatArray]:
    """Return true and false positives of each group among scores of at least a rank."""
    groups = np.arange(table.family.size)
    place = np.searchsorted(table.key, groups * distinct + rank)
    inside = place < len(table.key)
    safe = np.where(inside, place, 0)
    if len(table.key):
        inside &= table.key[safe] // distinct == groups
        pos_below, neg_below = table.pos_below[safe], table.neg_below[safe]
    else:
        pos_below = neg_below = np.zeros(table.family.size, dtype=np.int64)
    return (
        np.where(inside, table.positives - pos_below, 0.0),
        np.where(inside, table.negatives - neg_below, 0.0),
    )


def _ratios(table: _Table, tp: FloatArray, fp: FloatArray, rank: int) -> dict[str, Ratio]:
    """Return the nine rates with their pooled design effects."""
    counts = _counts(table, tp, fp)
    if table.moments is None:
        out = {name: Ratio(group=_sums(k, n, n, n), rho=0.0) for name, (k, n) in counts.items()}
    else:
        edge, sums = table.moments.nearest(rank)
        known = _counts(table, *_above(table, edge, table.distinct))
        out = {name: _clustered(name, counts[name], known[name], sums) for name in counts}
    for metric, source in MIRROR.items():
        out[metric] = Ratio(group=complement(out[source].group), rho=out[source].rho)
    return out


def _counts(
    table: _Table, tp: FloatArray, fp: FloatArray
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return numerator and denominator of every rate but the mirrored ones."""
    pos, neg = table.positives, table.negatives
    rows = pos + neg
    return {
        "tpr": (tp, pos),
        "fpr": (fp, neg),
        "ppv": (tp, tp + fp),
        "npv": (neg - fp, rows - tp - fp),
        "accuracy": (tp + neg - fp, rows),
        "selection_rate": (tp + fp, rows),
        "prevalence": (pos, rows),
    }


_BASE = {"tpr": "pos", "fpr": "neg"}


def _clustered(
    metric: str,
    exact: tuple[FloatArray, FloatArray],
    known: tuple[FloatArray, FloatArray],
    sums: dict[str, FloatArray],
) -> Ratio:
    """Return exact counts with the correlation and cluster sizes of the nearest known threshold."""
    base = _BASE.get(metric, "rows")
    everyone = sums["patients"] if base == "rows" else sums[f"{base} patients"]
    mm = sums.get(f"{metric} mm", sums[f"{base} mm"])
    there = _sums(*known, sums.get(f"{metric} patients", everyone), mm)
    rho = icc_from_sums(float(sums[f"{metric} own"].sum()), there)
    n = exact[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(known[1] > 0, mm / known[1], 1.0)
    patients = np.minimum(there.patients, n)
    return Ratio(group=_sums(*exact, patients, n * size), rho=rho)


def _sums(k: FloatArray, n: FloatArray, patients: FloatArray, mm: FloatArray) -> Sums:
    return Sums(k=k, n=n, patients=patients, xx=k, xm=k, mm=mm)


def _net_benefit(
    frame: Frame, table: _Table, tp: FloatArray, fp: FloatArray, rank: int, threshold: float
) -> list[Estimate]:
    """Return TP/n - FP/n · t/(1 - t), its variance from the patients' second moments."""
    odds = threshold / (1 - threshold)
    n = table.positives + table.negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(n > 0, (tp - odds * fp) / n, np.nan)
        if table.moments is None:
            squares = tp + odds**2 * fp - n * value**2
        else:
            _, at = table.moments.nearest(rank)
            own = at["tp tp"] - 2 * odds * at["tp fp"] + odds**2 * at["fp fp"]
            cross = at["tp m"] - odds * at["fp m"]
            squares = own - 2 * value * cross + value**2 * at["rows mm"]
        who = table.patients
        se = np.sqrt(np.maximum(squares, 0) * who / (who - 1)) / n
    half = stdtrit(np.maximum(who - 1, 1), 0.975) * se
    out = []
    for index, level in enumerate(value.tolist()):
        people = int(who[index]) if frame.named_patients else None
        rows = int(n[index])
        if rows == 0:
            out.append(Estimate.undefined("no cases", n=0, n_patients=people))
            continue
        varies = bool(np.isfinite(half[index]) and half[index] > 0)
        out.append(
            Estimate(
                value=level,
                low=max(level - float(half[index]), -odds) if varies else None,
                high=min(level + float(half[index]), 1.0) if varies else None,
                n=rows,
                n_patients=people,
                method="influence function",
                reason=None if varies else "no interval: the cases do not vary",
            )
        )
    return out
