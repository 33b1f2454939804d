"""Outputs that counts do not carry: statistics with influence functions, errors in a unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from audits.fairness.drafting import Drafter
from audits.fairness.families import Family
from audits.fairness.means import linear_estimates, mean_of
from audits.fairness.number_errors import ERROR_BOUNDS, mean_ratio, number_errors
from audits.fairness.statistics.measure import Task, measure_task
from audits.fairness.subject import Measured, Subject, compared_groups
from audits.fairness.tasks import statistics_of, task_of, verdicts_of
from audits.fairness.types import GroupResult
from audits.types import Estimate


def measure_by_statistics(
    subject: Subject, family: Family, reference: int, *, crossed: bool
) -> Measured:
    """Measure what counts alone do not carry, by statistics with influence functions."""
    found = statistics_of(subject.frame, subject.threshold)
    task = Task(
        output=subject.index,
        frame=subject.frame,
        policy=subject.policy,
        statistics=found,
        verdicts=verdicts_of(subject.frame, subject.policy, found),
        explored=task_of(subject.frame) != "weighted",
    )
    result = measure_task(
        task,
        family,
        reference=reference,
        wanted=compared_groups(family, reference),
        crossed=crossed,
    )
    return Measured(
        groups=_number_groups(subject, family, result.estimates),
        drafts=result.drafts,
        heterogeneity=result.heterogeneity,
    )


def measure_numbers(subject: Subject, family: Family, reference: int) -> Measured:
    """Measure outcomes that are numbers: errors in their unit."""
    frame, policy = subject.frame, subject.policy
    wanted = compared_groups(family, reference)
    maker = Drafter(subject, family, reference, wanted, crossed=False)
    estimates, drafts, heterogeneity = {}, [], []
    for metric, error in number_errors(frame).items():
        estimates[metric] = linear_estimates(
            frame,
            mean_of(family, error),
            undefined=lambda _: "no cases",
            bounds=ERROR_BOUNDS[metric],
        )
        if metric in policy.verdict_metrics and len(wanted):
            ratio, deff = mean_ratio(frame, family, error, reference)
            drafts += maker.means(metric, ratio, deff)
            heterogeneity += maker.spread(metric, ratio.group.value, ratio.group.variance)
    return Measured(
        groups=_number_groups(subject, family, estimates),
        drafts=tuple(drafts),
        heterogeneity=tuple(heterogeneity),
    )


def _number_groups(
    subject: Subject, family: Family, estimates: Mapping[str, list[Estimate]]
) -> tuple[GroupResult, ...]:
    rows = family.sum_rows()
    patients = family.sum_pairs(np.ones(len(family.pair_group)))
    positives = None if subject.frame.regression else family.sum_rows(subject.frame.y)
    return tuple(
        GroupResult(
            attributes=label,
            n=int(rows[index]),
            patients=int(patients[index]) if subject.frame.named_patients else None,
            positives=None if positives is None else int(positives[index]),
            metrics={name: values[index] for name, values in estimates.items()},
            declared=family.declared,
        )
        for index, label in enumerate(family.labels)
    )
