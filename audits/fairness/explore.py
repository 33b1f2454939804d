"""Moving the threshold: every group's rates and intervals in milliseconds.

Exploratory by nature: nothing here carries a verdict, and no verdict moves with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import stdtrit

from audits.errors import AuditError
from audits.fairness.audit import families_of
from audits.fairness.cells import ScoreCells, score_cells
from audits.fairness.families import Family, everybody
from audits.fairness.frame import Frame, build_frame
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
class Table:
    """One family, ready for any threshold; arrays by group are (groups,).

    Attributes:
        labels: One mapping attribute -> level per group.
        scores: Distinct scores, ascending.
        cells: Counts of every group by score.
        key: Group and rank of each cell as one ascending number, kept because it is long.
        patients: Patients of each group, or None where they are not known.
        moments: How alike a patient's rows are at each threshold; None where none repeats.
        known: Counts of the rows behind ``moments`` where these are a sample, else None.
    """

    labels: tuple[dict[str, str], ...]
    scores: FloatArray
    cells: ScoreCells
    key: IntArray
    patients: FloatArray | None
    moments: Moments | None
    known: Table | None = None

    @property
    def positives(self) -> FloatArray:
        """Return the positives of each group."""
        return self.cells.positives.astype(np.float64)

    @property
    def negatives(self) -> FloatArray:
        """Return the negatives of each group."""
        return self.cells.negatives.astype(np.float64)

    def rank(self, threshold: float) -> int:
        """Return how many distinct scores lie below a threshold."""
        return int(np.searchsorted(self.scores, np.float64(threshold)))

    def above(self, rank: int) -> tuple[FloatArray, FloatArray]:
        """Return true and false positives of each group among scores of at least a rank."""
        cells, distinct = self.cells, max(len(self.scores), 1)
        groups = np.arange(cells.size)
        place = np.searchsorted(self.key, groups * distinct + rank)
        inside = place < len(cells.group)
        safe = np.where(inside, place, 0)
        pos_below = neg_below = np.zeros(cells.size, dtype=np.int64)
        if len(cells.group):
            inside &= cells.group[safe] == groups
            pos_below, neg_below = cells.pos_below[safe], cells.neg_below[safe]
        return (
            np.where(inside, self.positives - pos_below, 0.0),
            np.where(inside, self.negatives - neg_below, 0.0),
        )


class TableExplorer:
    """Counts by group and score, asked at any threshold."""

    def __init__(self, tables: Sequence[Table], *, probabilities: bool) -> None:
        """Hold tables; the first is everybody's.

        Args:
            tables: Everybody's counts and those of every way to split the rows.
            probabilities: Whether scores are probabilities, so that net benefit is defined.
        """
        self._tables = tuple(tables)
        self._probabilities = probabilities

    def at(self, threshold: float) -> Exploration:
        """Return every group's rates and net benefit at a threshold, with intervals."""
        groups = [self._measure(table, float(threshold)) for table in self._tables]
        return Exploration(
            threshold=float(threshold),
            overall=groups[0][0],
            groups=tuple(group for family in groups[1:] for group in family),
        )

    def _measure(self, table: Table, threshold: float) -> list[GroupResult]:
        tp, fp = table.above(table.rank(threshold))
        ratios = _ratios(table, tp, fp, threshold)
        named = table.patients is not None
        estimates = {
            metric: rate_estimates(metric, ratios[metric], named_patients=named)
            for metric in DENOMINATORS
        }
        if self._probabilities and 0 < threshold < 1:
            estimates["net_benefit"] = _net_benefit(table, tp, fp, threshold)
        rows = table.positives + table.negatives
        return [
            GroupResult(
                attributes=label,
                n=int(rows[index]),
                patients=None if table.patients is None else int(table.patients[index]),
                positives=int(table.positives[index]),
                metrics={name: values[index] for name, values in estimates.items()},
                declared=False,
            )
            for index, label in enumerate(table.labels)
        ]


class ThresholdExplorer(TableExplorer):
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
        frame = build_frame(output)
        if frame.regression:
            raise AuditError(
                f"Output {output.name!r} is a regression and has no threshold to explore; "
                "choose an output with a label."
            )
        policy = policy or load_policy(None, groups=[item.name for item in output.attributes])
        families, _ = families_of(frame, output, policy)
        tasks = [partial(table_of, frame, family) for family in (everybody(frame), *families)]
        super().__init__(side_by_side(tasks, frame.n), probabilities=frame.probabilities)


def table_of(frame: Frame, family: Family) -> Table:
    """Return a family ready for any threshold."""
    cells = score_cells(frame, family.by_score, family.code, family.size)
    return Table(
        labels=family.labels,
        scores=frame.distinct,
        cells=cells,
        key=cells.key(len(frame.distinct)),
        patients=family.patients if frame.named_patients else None,
        moments=patient_moments(frame, family) if frame.clustered else None,
    )


def _ratios(table: Table, tp: FloatArray, fp: FloatArray, threshold: float) -> dict[str, Ratio]:
    """Return the nine rates with their pooled design effects."""
    counts = _counts(table, tp, fp)
    behind = table.known or table
    if behind.moments is None:
        out = {name: Ratio(group=_sums(k, n, n, n), rho=0.0) for name, (k, n) in counts.items()}
    else:
        edge, sums = behind.moments.nearest(behind.rank(threshold))
        known = _counts(behind, *behind.above(edge))
        out = {name: _clustered(name, counts[name], known[name], sums) for name in counts}
    for metric, source in MIRROR.items():
        out[metric] = Ratio(group=complement(out[source].group), rho=out[source].rho)
    return out


def _counts(
    table: Table, tp: FloatArray, fp: FloatArray
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
        # A group that a sample of patients missed is taken to repeat as the others do.
        usual = mm.sum() / known[1].sum() if known[1].sum() > 0 else 1.0
        size = np.where(known[1] > 0, mm / known[1], usual)
    patients = np.minimum(there.patients, n)
    return Ratio(group=_sums(*exact, patients, n * size), rho=rho)


def _sums(k: FloatArray, n: FloatArray, patients: FloatArray, mm: FloatArray) -> Sums:
    return Sums(k=k, n=n, patients=patients, xx=k, xm=k, mm=mm)


def _net_benefit(table: Table, tp: FloatArray, fp: FloatArray, threshold: float) -> list[Estimate]:
    """Return TP/n - FP/n · t/(1 - t), its variance from the patients' second moments."""
    odds = threshold / (1 - threshold)
    n = table.positives + table.negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(n > 0, (tp - odds * fp) / n, np.nan)
        se, who = _net_benefit_error(table.known or table, value, threshold)
        if table.known is not None:  # from the sampled patients to all of them
            se = se * np.sqrt((table.known.positives + table.known.negatives) / n)
    half = stdtrit(np.maximum(who - 1, 1), 0.975) * se
    out = []
    for index, level in enumerate(value.tolist()):
        people = None if table.patients is None else int(table.patients[index])
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


def _net_benefit_error(
    table: Table, value: FloatArray, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return the standard error in each group, and the patients that it rests on."""
    odds = threshold / (1 - threshold)
    n = table.positives + table.negatives
    rank = table.rank(threshold)
    if table.moments is None:
        tp, fp = table.above(rank)
        who, squares = n, tp + odds**2 * fp - n * value**2
    else:
        _, at = table.moments.nearest(rank)
        own = at["tp tp"] - 2 * odds * at["tp fp"] + odds**2 * at["fp fp"]
        cross = at["tp m"] - odds * at["fp m"]
        who, squares = at["patients"], own - 2 * value * cross + value**2 * at["rows mm"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.maximum(squares, 0) * who / (who - 1)) / n, who
