"""The version in use, taken from a run that scored it: nothing is computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute, Study
from audits.errors import AuditError
from audits.fairness import ScoredOutput
from audits.fairness.regions.measures import BOUNDS, CaseMeasures
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.policy import Policy
from audits.running.model import ModelPass
from audits.running.study_tasks import study_survival, study_weights
from audits.storage import Run, open_run
from audits.types import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRun:
    """A model of an earlier run on the same study.

    Attributes:
        run: The run.
        key: ``id@version`` of the model.
        model: Its entry in ``models`` of the evidence.
    """

    run: Run
    key: str
    model: Mapping[str, Any]


def open_base(folder: Path | str, study: Study, key: str | None = None) -> BaseRun:
    """Open a run and choose its model.

    Args:
        folder: Run folder.
        study: The study that the candidate is scored on.
        key: ``id@version``; needed where the run holds several models.

    Raises:
        AuditError: The run is of another study, or does not hold that one model.
        StoreError: The folder holds no run.
    """
    run = open_run(folder)
    models = {f"{one['id']}@{one['version']}": one for one in run.exact["models"]}
    if not models:
        raise AuditError(
            f"{folder}: holds scores of a table and no model; name both score columns with "
            "--predictions instead."
        )
    if run.exact["study"]["sha256"] != study.sha256:
        raise AuditError(
            f"{folder}: was made on study {run.exact['study']['name']} with sha256 "
            f"{run.exact['study']['sha256'][:12]}…, and {study.folder} has {study.sha256[:12]}…; "
            "name the study of the run, or --base to score the model in use again."
        )
    chosen = key or (next(iter(models)) if len(models) == 1 else None)
    if chosen not in models:
        said = f"does not hold {key}" if key else "holds several models"
        raise AuditError(f"{folder}: {said}; name one of {', '.join(models)} with --base-model.")
    return BaseRun(run=run, key=chosen, model=models[chosen])


def base_pass(
    base: BaseRun, study: Study, attributes: Sequence[Attribute], policy: Policy
) -> ModelPass:
    """Return what the run's model gave, on the study's cases in the run's order.

    Thresholds are those of the run's evidence.

    Args:
        base: The opened run and its model.
        study: The same study.
        attributes: Attributes of all cases of the study.
        policy: May declare the horizon of a survival output.
    """
    predictions = base.run.predictions(base.key)
    rows = np.array([study.row(case) for case in predictions["case_id"]], dtype=np.int64)
    audited = [one for one in base.run.exact["outputs"] if one["model"] == base.key]
    weights, _ = study_weights(study)
    taken = tuple(attribute.take(rows) for attribute in attributes)
    whose = None if study.patients is None else study.patients[rows]
    outputs = []
    for one in audited:
        if one["task"] == "segmentation":
            outputs.append(measured_output(one, predictions, whose, taken))
            continue
        name, label = one["name"], study.labels[one["name"]]
        truth = label.values if label.target is None else label.target  # noqa: PD011 - an array
        column, space = scores_of(list(predictions.columns), name, str(base.model["space"]))
        score = predictions[column].to_numpy(dtype=np.float64)
        details: SurvivalOutcome | None = None
        if one["task"] == "survival":
            score, details, _ = study_survival(study, name, score, space, rows, policy)
        outputs.append(
            ScoredOutput(
                name=name,
                model=base.key,
                y=truth[rows],
                score=score,
                label_column=label.column,
                positive=label.positive,
                task=one["task"],
                space=space,
                threshold=one["threshold"]["value"],
                threshold_source=one["threshold"]["source"],
                threshold_chosen_on=one["threshold"]["chosen_on"],
                patients=whose,
                attributes=taken,
                scope=study.scope,
                weights=None if weights is None else weights[rows],
                compared=tuple(attribute.name for attribute in attributes),
                details=details,
            )
        )
    message = f"The scores of {base.key} are those of run {base.run.id}; it was not run again."
    return ModelPass(
        key=base.key,
        device=base.run.exact["run"]["device"],
        outputs=tuple(outputs),
        predictions=predictions,
        findings=(Finding(severity="info", where="comparison", message=message),),
    )


def measured_output(
    entry: Mapping[str, Any],
    predictions: pd.DataFrame,
    patients: npt.NDArray[Any] | None,
    attributes: tuple[Attribute, ...],
) -> ScoredOutput:
    """Return a segmentation as a run holds it: what was measured of each case.

    Args:
        entry: The output in the run's evidence.
        predictions: One row per case with ``METRIC__NAME``, (n,).
        patients: (n,) patient codes, or None.
        attributes: Groups of the same cases.
    """
    held = {metric: f"{metric}__{entry['name']}" for metric in BOUNDS}
    measured = {
        metric: predictions[column].to_numpy(dtype=np.float64)
        for metric, column in held.items()
        if column in predictions
    }
    empty = np.zeros(len(predictions))
    return ScoredOutput(
        name=entry["name"],
        model=entry["model"],
        y=empty,
        score=empty,
        label_column=entry["label"]["column"],
        task=entry["task"],
        space="value",
        patients=patients,
        attributes=attributes,
        scope=entry["scope"],
        details=CaseMeasures(values=measured, reasons={}),
    )


def scores_of(columns: Sequence[str], name: str, space: str) -> tuple[str, str]:
    """Return the column of its predictions that a run audited, and its scale.

    Args:
        columns: Columns of the run's predictions.
        name: Name of the output.
        space: Scale of the scores where they are no probabilities.
    """
    if f"prob__{name}" in columns:
        return f"prob__{name}", "probability"
    prefix = "logit" if f"logit__{name}" in columns else "score"
    return f"{prefix}__{name}", space
