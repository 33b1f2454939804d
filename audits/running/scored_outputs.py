"""A model's scores joined to the study's labels by name: what the statistics take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audits.cohorts import Attribute, Study
from audits.errors import AuditError
from audits.fairness import NUMBER_TASKS, ScoredOutput
from audits.policy import Policy
from audits.predictions import CohortPredictions, join_outputs
from audits.running.study_tasks import study_survival, study_weights
from audits.running.thresholds import Threshold, refuse_out_of_reach, threshold_of
from audits.types import Finding
from model_adapters import ModelAdapter


def scored_outputs(
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    policy: Policy,
    attributes: Sequence[Attribute],
) -> tuple[list[ScoredOutput], tuple[Finding, ...]]:
    """Return the outputs that the study has labels for, and what the reader must know of them.

    Args:
        study: The study.
        adapter: The model.
        predictions: Its scores.
        policy: Gives thresholds that the model does not, and the horizon of times.
        attributes: Attributes of the scored cases.

    Raises:
        AuditError: The task of a label is not that of the model.
        PackageError: A threshold lies where no score can be.
    """
    spec, join = adapter.output, join_outputs(study, adapter)
    shown = predictions.scores
    if predictions.probabilities is not None:
        shown = predictions.probabilities
    outputs: list[ScoredOutput] = []
    for name, column in zip(join.names, join.columns, strict=True):
        threshold = threshold_of(
            name,
            command=None,
            policy=policy.thresholds,
            model=spec.thresholds[column] if spec.thresholds else None,
            chosen_on=spec.thresholds_chosen_on,
        )
        space = spec.space if predictions.probabilities is None else "probability"
        refuse_out_of_reach(name, threshold, space)
        outputs.append(
            _scored(
                study,
                predictions,
                name,
                shown[:, column],
                threshold=threshold,
                attributes=attributes,
                task=spec.task,
                space=space,
            )
        )
    if spec.task != "survival":
        return outputs, ()
    timed = [_survival(study, one, predictions.rows, policy) for one in outputs]
    return [one for one, _ in timed], tuple(finding for _, more in timed for finding in more)


def _scored(  # noqa: PLR0913 - everything the statistics need of one output
    study: Study,
    predictions: CohortPredictions,
    name: str,
    score: npt.NDArray[np.float64],
    *,
    threshold: Threshold,
    attributes: Sequence[Attribute],
    task: str,
    space: str,
) -> ScoredOutput:
    label = study.labels[name]
    if label.target is not None and task not in NUMBER_TASKS:
        raise AuditError(
            f"{predictions.key}: its task is {task}, and the label {name!r} of {study.name} is "
            f"{label.task}; declare the task of the label in study.toml as that of the model."
        )
    truth = label.values if label.target is None else label.target
    patients, (weights, _) = study.patients, study_weights(study)
    return ScoredOutput(
        name=name,
        model=predictions.key,
        y=truth[predictions.rows],
        score=score,
        label_column=label.column,
        positive=label.positive,
        task=task,
        space=space,
        threshold=threshold.value,
        threshold_source=threshold.source,
        threshold_chosen_on=threshold.chosen_on,
        patients=None if patients is None else patients[predictions.rows],
        attributes=tuple(attributes),
        scope=study.scope,
        weights=None if weights is None else weights[predictions.rows],
        compared=tuple(attribute.name for attribute in attributes),
    )


def _survival(
    study: Study, scored: ScoredOutput, rows: npt.NDArray[np.int64], policy: Policy
) -> tuple[ScoredOutput, tuple[Finding, ...]]:
    """Give a survival output its times and its horizon."""
    score, outcome, findings = study_survival(
        study, scored.name, scored.score, scored.space, rows, policy
    )
    return replace(scored, score=score, threshold=None, details=outcome), findings
