"""One model on one study: scored, explained, ready for the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cancel import Cancel, part_of, stop_if
from audits.cohorts import Attribute, Study
from audits.fairness import ScoredOutput
from audits.policy import Policy
from audits.predictions import CohortPredictions, predict_cohort
from audits.predictions.engines import one_pass_engine
from audits.running.explained import (
    cases_to_explain,
    drawings_to_explain,
    explain_globally,
    explain_sample,
    shortcut_facts,
    suspects_of,
)
from audits.running.frames import predictions_frame
from audits.running.observed_risk import with_held_out
from audits.running.scored_outputs import scored_outputs
from audits.running.study_tasks import segmented_frame, segmented_outputs
from audits.types import Finding, Progress, Skipped
from model_adapters import ModelAdapter, load_adapter

if TYPE_CHECKING:
    from audits.explanations import CaseExplanation
    from audits.explanations.shortcuts import MeasuredSuspect

IMPORTANCE_PER_EXPLAINED = 6
"""Random cases behind the global importance, for every case that is explained one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPass:
    """What one model gave.

    Attributes:
        key: ``id@version``.
        device: Where it ran.
        outputs: Scored outputs for the statistics.
        predictions: Scores per case.
        maps: Low-resolution maps, if any.
        explanations: Explained cases.
        summary: Summary of the explanations, empty where none were asked for.
        effects: Effects of randomly drawn cases, long; None for models without one table.
        suspects: Measured effects of what the model should not read, where the study has masks.
        shortcuts: Where its maps lie, by site too, and what its features encode.
        skipped: Cases without a score.
        findings: What the reader must know.
    """

    key: str
    device: str
    outputs: tuple[ScoredOutput, ...]
    predictions: pd.DataFrame
    maps: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    explanations: Sequence[CaseExplanation] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    effects: pd.DataFrame | None = None
    suspects: tuple[MeasuredSuspect, ...] = ()
    shortcuts: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = ()


def run_model(  # noqa: PLR0913 - one model's part of a run
    study: Study,
    folder: Path,
    policy: Policy,
    attributes: Sequence[Attribute],
    *,
    device: str,
    seed: int,
    explain_cases: int,
    check_cases: int,
    cache: Path | None,
    progress: Progress,
    cancel: Cancel,
) -> ModelPass:
    """Load a model, score the study and explain a sample of its cases.

    Args:
        study: The opened study.
        folder: Model folder.
        policy: Gives thresholds that the model does not.
        attributes: Attributes of all cases of the study.
        device: Where the model runs.
        seed: Seed of the choice of cases and of explanations.
        explain_cases: How many cases to explain.
        check_cases: How many of the explained cases get every check of the explanation.
        cache: Folder for predictions that other runs can use again.
        progress: Told how far it is.
        cancel: Asked between steps.

    Raises:
        PackageError: The model cannot be used as it stands.
        CancelledRun: ``cancel`` said so.
    """
    progress(0.0, f"Loading {folder.name}")
    adapter = load_adapter(folder, device=device)
    if adapter.output.task == "segmentation":
        return _segmented(
            study,
            adapter,
            attributes,
            seed=seed,
            explain_cases=explain_cases,
            check_cases=check_cases,
            progress=progress,
            cancel=cancel,
        )
    engine = one_pass_engine(adapter) if explain_cases else None
    predictions = predict_cohort(
        study,
        adapter,
        maps=engine,
        cache=cache,
        progress=part_of(progress, 0.05, 0.6),
        cancel=cancel,
    )
    stop_if(cancel)
    taken = [a.take(predictions.rows) for a in attributes]
    outputs, findings = scored_outputs(study, adapter, predictions, policy, taken)
    outputs = with_held_out(outputs, study, adapter, cache)
    explained: Sequence[CaseExplanation] = ()
    summary: Mapping[str, Any] = {}
    effects: pd.DataFrame | None = None
    suspects: tuple[MeasuredSuspect, ...] = ()
    shortcuts: Mapping[str, Any] = {}
    if explain_cases:
        rows = cases_to_explain(
            study, adapter, predictions, outputs, taken, count=explain_cases, seed=seed
        )
        explained, summary = explain_sample(
            study,
            adapter,
            predictions,
            rows,
            seed=seed,
            check_cases=check_cases,
            progress=part_of(progress, 0.6, 0.75),
            cancel=cancel,
        )
        globally, effects = explain_globally(
            study,
            adapter,
            explain_cases * IMPORTANCE_PER_EXPLAINED,
            seed=seed,
            progress=part_of(progress, 0.75, 0.85),
            cancel=cancel,
        )
        summary = {**summary, **globally}
        suspects = suspects_of(study, adapter, seed, part_of(progress, 0.85, 0.95), cancel)
        shortcuts = shortcut_facts(study, adapter, predictions, attributes, seed, cancel)
    progress(1.0, f"{predictions.key} is scored and explained")
    return ModelPass(
        key=predictions.key,
        device=adapter.device,
        outputs=tuple(outputs),
        predictions=_frame(predictions),
        maps=_maps(predictions),
        explanations=explained,
        summary=summary,
        effects=effects,
        suspects=suspects,
        shortcuts=shortcuts,
        skipped=predictions.skipped,
        findings=(*predictions.findings, *findings),
    )


def _segmented(  # noqa: PLR0913 - one model's part of a run
    study: Study,
    adapter: ModelAdapter,
    attributes: Sequence[Attribute],
    *,
    seed: int,
    explain_cases: int,
    check_cases: int,
    progress: Progress,
    cancel: Cancel,
) -> ModelPass:
    """Measure what a segmentation model draws, and explain some of it."""
    from audits.explanations import explain_cohort_sample
    from audits.predictions.segmentation import segment_cohort

    cohort = segment_cohort(study, adapter, progress=part_of(progress, 0.05, 0.6), cancel=cancel)
    taken = [a.take(cohort.rows) for a in attributes]
    explained: Sequence[CaseExplanation] = ()
    summary: Mapping[str, Any] = {}
    if explain_cases:
        rows = drawings_to_explain(cohort, taken, count=explain_cases, seed=seed)
        explained, summary = explain_cohort_sample(
            study,
            adapter,
            [cohort.case_ids[row] for row in rows],
            seed=seed,
            check_cases=check_cases,
            progress=part_of(progress, 0.6, 1.0),
            cancel=cancel,
        )
    return ModelPass(
        key=cohort.key,
        device=adapter.device,
        outputs=tuple(segmented_outputs(study, cohort, taken)),
        predictions=segmented_frame(cohort),
        explanations=explained,
        summary=summary,
        skipped=cohort.skipped,
        findings=cohort.findings,
    )


def _frame(predictions: CohortPredictions) -> pd.DataFrame:
    names, spec = predictions.names, predictions.output
    scores = {name: predictions.scores[:, i] for i, name in enumerate(names)}
    # A risk by a horizon is none of the label itself: nobody may draw its calibration from it.
    given = None if spec.task == "survival" else predictions.probabilities
    probabilities = {} if given is None else {n: given[:, i] for i, n in enumerate(names)}
    prefix = "logit" if spec.space == "logit" else "score"
    frame = predictions_frame(predictions.case_ids, prefix, scores, probabilities)
    return frame.assign(precomputed=predictions.precomputed)


def _maps(predictions: CohortPredictions) -> dict[str, npt.NDArray[Any]]:
    maps = predictions.maps
    if maps is None:
        return {}
    case_ids = np.array([predictions.case_ids[row] for row in maps.rows])
    return {
        "case_ids": case_ids,
        "outputs": np.array(predictions.names),
        "maps": maps.values,  # noqa: PD011 - an array
        "layer": np.array(maps.layer or ""),
        "method": np.array(maps.method),
    }
