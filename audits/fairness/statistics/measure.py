"""Every statistic of a task in every group of a family, with its comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.heterogeneity import estimate_heterogeneity
from audits.fairness.ratios import REST
from audits.fairness.statistics.arms import (
    Arm,
    arm_estimate,
    measure_arm,
    reference_rows,
    rows_of_groups,
    transformed,
    transformed_error,
)
from audits.fairness.statistics.compare import contrast_arms
from audits.fairness.statistics.point import Scale, Statistic
from audits.fairness.types import Heterogeneity, IntArray
from audits.fairness.verdicts import Draft
from audits.policy import Policy
from audits.types import Estimate

MANY = 50
"""Groups of a family from which only comparisons that can get a verdict are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How one output is measured by statistics.

    Attributes:
        output: Index of the output in the run.
        frame: Its rows.
        policy: Declares margins and how many cases a verdict needs.
        statistics: Every metric of the task.
        verdicts: Metrics that get a verdict.
        explored: Whether the other metrics that have a margin are compared without one.
    """

    output: int
    frame: Frame
    policy: Policy
    statistics: tuple[Statistic, ...]
    verdicts: tuple[str, ...]
    explored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """Estimates by metric, one per group; comparisons; how much groups truly vary."""

    estimates: Mapping[str, list[Estimate]]
    drafts: tuple[Draft, ...]
    heterogeneity: tuple[Heterogeneity, ...]


def measure_task(
    task: Task, family: Family, *, reference: int, wanted: IntArray, crossed: bool
) -> TaskResult:
    """Measure a family.

    Args:
        task: What is measured.
        family: The groups.
        reference: Index of the reference group, or ``REST``.
        wanted: Groups that are compared.
        crossed: Whether a declared intersection splits these groups further.
    """
    rows = rows_of_groups(family)
    estimates: dict[str, list[Estimate]] = {}
    drafts: list[Draft] = []
    spread: list[Heterogeneity] = []
    others = dict(enumerate(reference_rows(rows, reference))) if len(wanted) else {}
    for statistic in task.statistics:
        own = [measure_arm(task.frame, statistic, one) for one in rows]
        estimates[statistic.metric] = [arm_estimate(task.frame, statistic, arm) for arm in own]
        many = family.size > MANY
        chosen = statistic.metric in task.verdicts or (task.explored and not many)
        if not (len(wanted) and chosen and statistic.metric in task.policy.margins):
            continue
        compared = set(wanted.tolist())
        needed = _needed(task, statistic)
        ref = []
        for index, arm in enumerate(own):
            # Of hundreds of groups those too small for a verdict are not worth a reference each.
            skipped = many and arm.fewest < needed
            against = others[index][:0] if skipped and index in compared else others[index]
            ref.append(measure_arm(task.frame, statistic, against) if index in compared else None)
        drafts += _drafts(task, family, statistic, own, ref, reference=reference, crossed=crossed)
        if family.declared:
            spread.append(_heterogeneity(statistic, family, own))
    return TaskResult(estimates=estimates, drafts=tuple(drafts), heterogeneity=tuple(spread))


def _needed(task: Task, statistic: Statistic) -> float:
    """Return the effective cases that a verdict needs on the scarcer side."""
    policy = task.policy
    return policy.min_effective_per_class if statistic.per_class else policy.min_effective_n


def _heterogeneity(statistic: Statistic, family: Family, own: Sequence[Arm]) -> Heterogeneity:
    # Logarithms where a ratio is compared; areas and shares vary on their own scale.
    scale: Scale = "log" if statistic.scale == "log" else "plain"
    values = [transformed(arm.point.value, scale) for arm in own]
    errors = [transformed_error(arm, scale) ** 2 for arm in own]
    return estimate_heterogeneity(
        statistic.metric, family.name, np.asarray(values), np.asarray(errors)
    )


def _drafts(  # noqa: PLR0913 - both arms of one metric
    task: Task,
    family: Family,
    statistic: Statistic,
    own: Sequence[Arm],
    ref: Sequence[Arm | None],
    *,
    reference: int,
    crossed: bool,
) -> list[Draft]:
    policy, metric = task.policy, statistic.metric
    contrast = contrast_arms(
        statistic,
        own,
        ref,
        margin=policy.margins[metric],
        needed=_needed(task, statistic),
        shared=family.shared,
    )
    scale = (
        np.asarray([transformed(arm.point.value, statistic.scale) for arm in own]),
        np.asarray([transformed_error(arm, statistic.scale) ** 2 for arm in own]),
    )
    name = "rest"
    if reference != REST:
        name = next(iter(family.labels[reference].values()))
    out = []
    for index, (a, b) in enumerate(zip(own, ref, strict=True)):
        if b is None:
            continue
        counts = None
        if a.point.counts is not None and b.point.counts is not None:
            counts = (*a.point.counts, *b.point.counts)
        named = task.frame.named_patients
        out.append(
            Draft(
                output=task.output,
                metric=metric,
                family=family,
                index=index,
                reference=name,
                contrast=contrast,
                counts=counts,
                rows=a.rows + b.rows,
                patients=float(a.patients) if named else None,
                everyone=_everyone(family, a, b, reference, index) if named else None,
                scale=scale,
                method="from both arms' limits" if statistic.scale != "log" else "log ratio",
                crossed=crossed,
                exploratory=metric not in task.verdicts,
            )
        )
    return out


def _everyone(family: Family, own: Arm, ref: Arm, reference: int, index: int) -> int:
    """Return the distinct patients behind both arms."""
    if not family.shared:
        return own.patients + ref.patients
    if reference == REST:
        return len(np.unique(family.pair_patient))
    sides = (family.pair_group == index) | (family.pair_group == reference)
    return len(np.unique(family.pair_patient[sides]))
