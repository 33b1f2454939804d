"""What a study knows of further tasks: times, weights, stays and measured segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute, Study
from audits.cohorts.tables import as_numbers
from audits.cohorts.task_columns import TaskNames, read_task_columns, read_weights
from audits.errors import StudyError
from audits.fairness import ScoredOutput
from audits.fairness.regions.measures import CaseMeasures
from audits.fairness.stays.alarms import Stays
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.policy import Policy
from audits.running.survival import survival_outcome, survival_scores
from audits.running.task_options import stay_names
from audits.types import Finding

if TYPE_CHECKING:
    from audits.predictions.segmentation import SegmentedCohort

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def study_weights(study: Study) -> tuple[Numbers | None, tuple[Finding, ...]]:
    """Return the weight of every case, and what to know about them; None where none is declared.

    Raises:
        StudyError: A weight is negative, or all of them sum to nothing.
    """
    name = study.spec.cases.weight
    if name is None:
        return None, ()
    return read_weights(study.cases, name, study.spec.cases.table)


def study_times(study: Study) -> dict[str, Numbers]:
    """Return the time of every case, NaN where missing, of each label that has one."""
    return {
        name: as_numbers(
            study.cases[said.time], where=study.spec.cases.table, name=said.time, need="is a time"
        )
        for name, said in study.spec.labels.items()
        if said.time is not None
    }


def study_survival(
    study: Study, name: str, score: Numbers, space: str, rows: Rows, policy: Policy
) -> tuple[Numbers, SurvivalOutcome, tuple[Finding, ...]]:
    """Return a survival output's risks, outcome and findings.

    Args:
        study: Declares time, unit and horizon of the label.
        name: The label.
        score: Scores of the rows in ``space``, (n,).
        space: Scale of the scores.
        rows: Cases that were scored, (n,).
        policy: May declare another horizon.

    Raises:
        StudyError: A time is no number.
    """
    said, label = study.spec.labels[name], study.labels[name]
    where = study.spec.cases.table
    if said.time is None:
        raise StudyError(
            f"{study.folder / 'study.toml'}: the label {name!r} has no time, and a survival model "
            f"is judged by when its event came; name the column of the time in [labels.{name}]."
        )
    time = as_numbers(study.cases[said.time], where=where, name=said.time, need="is a time")[rows]
    values, probabilities = survival_scores(score, space)
    outcome, findings = survival_outcome(
        name,
        time,
        label.values[rows],  # noqa: PD011 - an array
        declared=policy.horizons,
        study=said.horizon,
        unit=said.unit,
        probabilities=probabilities,
    )
    return values, outcome, findings


def study_stays(study: Study, case_ids: Sequence[str]) -> Stays | None:
    """Return when the predictions of some cases were made; None where no stay is declared.

    Raises:
        StudyError: A column is missing, or a time is no number.
    """
    if study.spec.stays is None:
        return None
    names = stay_names(study.spec.stays)
    cases = study.cases.loc[list(case_ids)]
    found, _ = read_task_columns(cases, TaskNames(stays=names), study.spec.cases.table)
    if found.stay is None or found.at is None or found.event_at is None:
        return None
    return Stays(
        stay=found.stay,
        at=found.at,
        event_at=found.event_at,
        window=names.window,
        silence=names.silence,
        unit=names.unit,
    )


def segmented_outputs(
    study: Study, cohort: SegmentedCohort, attributes: Sequence[Attribute]
) -> list[ScoredOutput]:
    """Return every measured output as the statistics take it.

    Args:
        study: The study.
        cohort: What was measured.
        attributes: Groups of the measured cases.
    """
    n = len(cohort.rows)
    return [
        ScoredOutput(
            name=name,
            model=cohort.key,
            y=np.zeros(n),
            score=np.zeros(n),
            label_column=study.labels[name].column,
            task="segmentation",
            space="value",
            patients=None if study.patients is None else study.patients[cohort.rows],
            attributes=tuple(attributes),
            scope=study.scope,
            compared=tuple(attribute.name for attribute in attributes),
            details=CaseMeasures(values=cohort.measures[name], reasons=cohort.reasons),
        )
        for name in cohort.names
    ]


def segmented_frame(cohort: SegmentedCohort) -> pd.DataFrame:
    """Return case_id and ``dice__NAME``, ``hd95__NAME``, one row per case."""
    columns: dict[str, object] = {"case_id": pd.array(list(cohort.case_ids), dtype="str")}
    for name, measures in cohort.measures.items():
        columns |= {f"{metric}__{name}": values for metric, values in measures.items()}
    return pd.DataFrame(columns)
