"""Every metric of every group of one family, and its contrasts, from one pass over the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.fairness.between import area_spread, between_groups, rate_spread
from audits.fairness.by_statistics import measure_by_statistics, measure_numbers
from audits.fairness.cells import ScoreCells, score_cells
from audits.fairness.counted import estimates_of, sections_of
from audits.fairness.drafting import Drafter
from audits.fairness.families import Family
from audits.fairness.gathering import OnePart, Rows
from audits.fairness.rates import DENOMINATORS, NEEDS_NO_THRESHOLD
from audits.fairness.ratios import REST
from audits.fairness.subject import Measured, Subject, compared_groups
from audits.fairness.swept import sweep
from audits.fairness.tasks import task_of
from audits.fairness.types import GroupResult, Heterogeneity
from audits.fairness.verdicts import Draft
from audits.types import Estimate


def measure_family(
    subject: Subject,
    family: Family,
    *,
    reference: int = REST,
    crossed: bool = False,
    rows: Rows | None = None,
) -> Measured:
    """Measure every group of a family and compare each with its reference.

    Args:
        subject: What is measured.
        family: The groups.
        reference: Index of the reference group, or ``REST``.
        crossed: Whether a declared intersection splits these groups further.
        rows: The rows in parts; None where the subject's frame holds them all.
    """
    if task_of(subject.frame) is not None:
        return measure_by_statistics(subject, family, reference, crossed=crossed)
    if subject.frame.regression:
        return measure_numbers(subject, family, reference)
    return _measure_counts(subject, family, reference, crossed=crossed, rows=rows)


def _measure_counts(
    subject: Subject, family: Family, reference: int, *, crossed: bool, rows: Rows | None
) -> Measured:
    """Measure what is there or not, from counts by score and sums over patients."""
    frame, policy = subject.frame, subject.policy
    wanted = compared_groups(family, reference)
    verdict_metrics = policy.verdict_metrics if len(wanted) else ()
    if subject.threshold is None:
        verdict_metrics = tuple(m for m in verdict_metrics if m not in _thresholded())
    if rows is None:
        cells = score_cells(frame, family.by_score, family.code, family.size)
        rows = OnePart(frame=frame, family=family, cells=cells)
    swept = sweep(subject, family, rows, reference, wanted, verdict_metrics)
    rates, areas, observed = swept.rates, swept.areas, swept.observed
    estimates = estimates_of(subject, family, swept)
    between: list[Mapping[str, Mapping[str, Any]]] = []
    maker = Drafter(subject, family, reference, wanted, crossed=crossed, swept=swept)
    drafts: list[Draft] = []
    heterogeneity: list[Heterogeneity] = []
    for metric in verdict_metrics:
        products = swept.second.get(f"products {metric}")
        if metric in rates:
            drafts += maker.rates(metric, rates[metric])
            heterogeneity += maker.rate_spread(metric, rates[metric])
            if family.declared:
                spread = rate_spread(metric, family, rates[metric], products)
                between.append(between_groups(spread, subject.seed))
        elif metric == "auroc":
            drafts += maker.areas(areas)
            heterogeneity += maker.spread(metric, areas.area, areas.variance)
            if family.declared:
                area = area_spread(family, areas, products)
                between.append(between_groups(area, subject.seed))
        elif metric == "oe_ratio" and observed is not None:
            drafts += maker.observed(observed)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = observed.ratio.group.value
                of_logs = observed.ratio.group.variance / value**2
                logs = np.where(value > 0, np.log(value), np.nan)
            heterogeneity += maker.spread(metric, logs, of_logs)
    return Measured(
        groups=_group_results(subject, family, swept.cells, estimates),
        drafts=tuple(drafts),
        heterogeneity=tuple(heterogeneity),
        between=tuple(between),
        sections=sections_of(subject, family, swept, estimates),
    )


def _thresholded() -> frozenset[str]:
    return frozenset(DENOMINATORS) - frozenset(NEEDS_NO_THRESHOLD)


def _group_results(
    subject: Subject, family: Family, cells: ScoreCells, estimates: Mapping[str, list[Estimate]]
) -> tuple[GroupResult, ...]:
    names = tuple(estimates)
    return tuple(
        GroupResult(
            attributes=label,
            n=int(cells.positives[index] + cells.negatives[index]),
            patients=int(family.patients[index]) if subject.frame.named_patients else None,
            positives=int(cells.positives[index]),
            metrics={name: estimates[name][index] for name in names},
            declared=family.declared,
        )
        for index, label in enumerate(family.labels)
    )
