"""Risks of a split that was neither trained on nor audited: where "x in 100" is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audits.errors import PackageError
from audits.fairness import BINARY_TASKS
from audits.fairness.types import RiskSample, ScoredOutput

if TYPE_CHECKING:
    from audits.cohorts import Study
    from audits.predictions import CohortPredictions
    from model_adapters.base import ModelAdapter

MOST_CASES = 200_000
HELD_OUT = ("calibration", "tune", "tuning", "validation", "valid", "val", "dev")
"""Names of splits that the model was neither trained nor audited on, best first."""


def with_held_out(
    outputs: Sequence[ScoredOutput], study: Study, adapter: ModelAdapter, cache: Path | None
) -> list[ScoredOutput]:
    """Return the outputs with the risks of a held-out split, where the study has one.

    Only models that take a table, or bring their scores, are run on it: images would double the
    audit. Of other models, "x in 100" is counted in the audited cases, which is said beside it.

    Args:
        outputs: The model's outputs.
        study: The study.
        adapter: The model.
        cache: Folder for computed predictions.
    """
    if not any(output.task in BINARY_TASKS for output in outputs):
        return list(outputs)
    found = _held_out(study, adapter, cache)
    if found is None:
        return list(outputs)
    other, made = found
    return [replace(one, elsewhere=risk_sample(other, made, one.name)) for one in outputs]


def held_out_sample(
    study: Study, adapter: ModelAdapter, output: str, cache: Path | None = None
) -> RiskSample | None:
    """Return the risks of one output in the held-out split, or None where there is none."""
    found = _held_out(study, adapter, cache)
    return None if found is None else risk_sample(*found, output)


def risk_sample(study: Study, made: CohortPredictions, output: str) -> RiskSample | None:
    """Return one output's risks with the labels of a split, or None where it has no label."""
    if made.probabilities is None or output not in study.labels or output not in made.names:
        return None
    truth = study.labels[output].values  # -1 where it is missing
    return RiskSample(
        split=study.split,
        risk=made.probabilities[:, made.names.index(output)],
        label=truth[made.rows],
        patients=None if study.patients is None else study.patients[made.rows],
    )


def _held_out(
    study: Study, adapter: ModelAdapter, cache: Path | None
) -> tuple[Study, CohortPredictions] | None:
    from audits.predictions import predict_cohort

    split = _held_out_split(study)
    cheap = {field.modality for field in adapter.inputs} <= {"table", "case_id"}
    if split is None or not cheap:
        return None
    try:
        other = study.in_split(split)
        if len(other.case_ids) > MOST_CASES:
            return None
        return other, predict_cohort(other, adapter, cache=cache)
    except PackageError:
        return None  # a split that cannot be scored is none


def _held_out_split(study: Study) -> str | None:
    column = study.spec.cases.split
    if column is None or study.split is None:
        return None
    named = {str(name).lower(): str(name) for name in study.table[column].dropna().unique()}
    own = study.split.lower()
    return next((named[name] for name in HELD_OUT if name in named and name != own), None)
