"""From an opened table to the outputs that the statistics take, for every task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audits.cohorts import Attribute, CohortTable
from audits.cohorts.table import ScoreColumn
from audits.errors import AuditError
from audits.fairness import ScoredOutput, check_task
from audits.fairness.regions.detection import FALSE_ALARM, LESION, Marks
from audits.fairness.regions.measures import CaseMeasures
from audits.fairness.stays.alarms import Stays
from audits.fairness.types import Details
from audits.policy import Policy
from audits.running.survival import survival_outcome, survival_scores
from audits.running.thresholds import Threshold, named_threshold
from audits.types import Finding

Rows = npt.NDArray[np.int64]
SEGMENTATION = "segmentation"
"""Name of the output of a table of per-case measurements."""


def scored_outputs(  # noqa: PLR0913 - what a command may say of the outputs
    table: CohortTable,
    policy: Policy,
    thresholds: Sequence[float | None],
    *,
    chosen_on: str | None,
    task: str,
    horizons: Sequence[float | None] = (),
    versions: bool = False,
) -> tuple[list[ScoredOutput], list[Finding]]:
    """Return every score column as the statistics take it, on the rows that can be measured.

    Args:
        table: The opened table.
        policy: Gives thresholds and horizons that the command does not.
        thresholds: One for each score column, None where the command sets none.
        chosen_on: sha256 of the data the thresholds were chosen on.
        task: Task of the outputs.
        horizons: One for each score column of a survival task; () where the command sets none.
        versions: Whether the columns are those of several versions, of which each has its own
            false alarms.

    Returns:
        The outputs in order, and a finding where a customary threshold or horizon stands in.

    Raises:
        AuditError: The table lacks what the task needs.
    """
    check_task(task, "--task")
    _check_columns(table, task)
    attributes = compared_attributes(table)
    if task == "segmentation":
        return [_measured(table, attributes)], []
    outputs, findings = [], []
    wanted = horizons or [None] * len(table.scores)
    for score, command, horizon in zip(table.scores, thresholds, wanted, strict=True):
        # Only a binary output has a customary threshold; a task of another kind has none.
        threshold, standing_in = named_threshold(
            score.name,
            command=command,
            policy=policy,
            chosen_on=chosen_on,
            space=table.space if task == "binary" else "value",
        )
        findings += standing_in
        rows = usable_rows(table, score, task)
        values: npt.NDArray[np.float64] = score.values
        details: Details | None = None
        if task == "survival":
            values, more, details = _survival(table, score, policy, horizon)
            findings += more
            details = details.take(_mask(rows, len(values)))
        elif task == "detection":
            details = _marks(table, score, versions=versions)
            values = np.zeros(len(values))
        outputs.append(_scored(table, score, threshold, attributes, task, rows, values, details))
    return outputs, findings


def usable_rows(table: CohortTable, score: ScoreColumn, task: str) -> Rows:
    """Return the rows of an output that are measured."""
    if task == "detection":
        return np.arange(len(table.case_ids))
    usable = score.usable
    columns = table.task_columns
    for needed in (columns.time, columns.weight):
        if needed is not None:
            usable &= np.isfinite(needed)
    if not usable.any():
        lacking = "time" if columns.weight is None else "weight"
        raise AuditError(
            f"{table.name}: no row has the label, the score and the {lacking} of {score.name!r}; "
            "give a table where at least one row has them all."
        )
    return np.flatnonzero(usable)


def rows_of(table: CohortTable, task: str) -> list[Rows]:
    """Return the rows of the table behind each output."""
    if task == "segmentation":
        return [np.arange(len(table.case_ids))]
    return [usable_rows(table, score, task) for score in table.scores]


def stays_of(table: CohortTable, rows: Rows) -> Stays | None:
    """Return when the predictions of these rows were made; None where no stay is declared."""
    names, columns = table.task_names.stays, table.task_columns
    if names is None or columns.stay is None or columns.at is None or columns.event_at is None:
        return None
    return Stays(
        stay=columns.stay[rows],
        at=columns.at[rows],
        event_at=columns.event_at[rows],
        window=names.window,
        silence=names.silence,
        unit=names.unit,
    )


def compared_attributes(table: CohortTable) -> tuple[Attribute, ...]:
    """Return every attribute that is compared, those that only an intersection names last."""
    crossed = [name for names in table.intersections for name in names]
    return table.attributes(tuple(dict.fromkeys([*table.groups, *crossed])))


_NEEDS = {
    "survival": ("time", "the time of each row (--time) beside its event (--event)"),
    "segmentation": ("measures", "per-case measurements (--measure dice=COL, --measure hd95=COL)"),
    "detection": ("image", "the image that each mark lies in (--image)"),
}


def _check_columns(table: CohortTable, task: str) -> None:
    """Refuse a task without its columns, and columns of another task."""
    for other, (column, words) in _NEEDS.items():
        given = bool(getattr(table.task_names, column))
        if (other == task) != given:
            said = (
                f"a {other} output needs {words}"
                if other == task
                else f"{words} belongs to {other}"
            )
            raise AuditError(f"{table.name}: {said}; give both, or name another task.")
    if table.task_names.stays is not None and task not in ("binary", "multilabel"):
        raise AuditError(
            f"{table.name}: stays (--stay) belong to outcomes that are there or not, not to "
            f"{task}; leave them out."
        )


def _survival(
    table: CohortTable, score: ScoreColumn, policy: Policy, horizon: float | None
) -> tuple[npt.NDArray[np.float64], tuple[Finding, ...], Details]:
    values, probabilities = survival_scores(score.values, table.space)
    time = table.task_columns.time
    if time is None:
        raise AuditError(f"{table.name}: a survival output needs the time of each row (--time).")
    outcome, findings = survival_outcome(
        score.name,
        time,
        score.label.values,
        declared=policy.horizons,
        command=horizon,
        probabilities=probabilities,
    )
    return values, findings, outcome


def _marks(table: CohortTable, score: ScoreColumn, *, versions: bool) -> Marks:
    """Return lesions and false alarms; a lesion without a score was not marked.

    Of several versions a false alarm without a score is another's.
    """
    image = table.task_columns.image
    label, values = score.label.values, score.values
    if image is None or (image < 0).any():
        raise AuditError(
            f"{table.name}: the image column {table.task_names.image!r} is empty in some rows; "
            "name the image of every lesion and false alarm."
        )
    lost = np.flatnonzero((label == 0) & np.isnan(values))
    if lost.size and not versions:
        raise AuditError(
            f"{table.name}: {lost.size:,} false alarms have no score, first in row {lost[0]} "
            "(counting from 0); a mark has a confidence, only a missed lesion has none."
        )
    alarm = (label == 0) & ~np.isnan(values)
    kind = np.select([label == 1, alarm], [LESION, FALSE_ALARM], -1).astype(np.int64)
    return Marks(image=image, kind=kind, confidence=np.where(np.isnan(values), -np.inf, values))


def _measured(table: CohortTable, attributes: Sequence[Attribute]) -> ScoredOutput:
    n = len(table.case_ids)
    columns = ", ".join(table.task_names.measures.values())
    return ScoredOutput(
        name=SEGMENTATION,
        y=np.zeros(n),
        score=np.zeros(n),
        label_column=columns,
        task="segmentation",
        space="value",
        threshold_source="command",
        patients=table.patients,
        attributes=tuple(attributes),
        scope=table.scope,
        compared=table.groups,
        crossings=table.intersections,
        weights=table.task_columns.weight,
        details=CaseMeasures(values=table.task_columns.measures, reasons={}),
    )


def _scored(  # noqa: PLR0913, PLR0917 - everything the statistics need of one output
    table: CohortTable,
    score: ScoreColumn,
    threshold: Threshold,
    attributes: Sequence[Attribute],
    task: str,
    rows: Rows,
    values: npt.NDArray[np.float64],
    details: Details | None,
) -> ScoredOutput:
    label, weight = score.label, table.task_columns.weight
    truth = label.values if label.target is None else label.target
    if task == "detection":
        truth = np.maximum(truth, 0)
    return ScoredOutput(
        name=score.name,
        y=truth[rows],
        score=values[rows],
        label_column=label.column,
        positive=label.positive,
        task=task,
        space=table.space,
        threshold=None if details is not None else threshold.value,
        threshold_source=threshold.source,
        threshold_chosen_on=threshold.chosen_on,
        patients=None if table.patients is None else table.patients[rows],
        attributes=tuple(a.take(rows) for a in attributes),
        scope=table.scope,
        weights=None if weight is None else weight[rows],
        compared=table.groups,
        crossings=table.intersections,
        details=details,
    )


def _mask(rows: Rows, n: int) -> npt.NDArray[np.bool_]:
    out = np.zeros(n, dtype=np.bool_)
    out[rows] = True
    return out
