"""One model on one study: scored, explained, ready for the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cancel import Cancel, part_of, stop_if
from audits.cohorts import Attribute, Study
from audits.errors import AuditError
from audits.fairness import NUMBER_TASKS, ScoredOutput
from audits.policy import Policy
from audits.predictions import CohortPredictions, join_outputs, predict_cohort
from audits.predictions.engines import one_pass_engine
from audits.running.frames import predictions_frame
from audits.running.observed_risk import with_held_out
from audits.running.selection import Judged, choose_cases
from audits.running.study_tasks import (
    segmented_frame,
    segmented_outputs,
    study_survival,
    study_weights,
)
from audits.running.thresholds import Threshold, refuse_out_of_reach, threshold_of
from audits.types import Finding, Progress, Skipped
from model_adapters import ModelAdapter, load_adapter

if TYPE_CHECKING:
    from audits.explanations import CaseExplanation
    from audits.explanations.shortcuts import MeasuredSuspect
    from audits.predictions.segmentation import SegmentedCohort

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
    outputs = _outputs(study, adapter, predictions, policy, taken)
    outputs = with_held_out(outputs, study, adapter, cache)
    findings = list(predictions.findings)
    if adapter.output.task == "survival":
        timed = [_survival(study, one, predictions.rows, policy) for one in outputs]
        outputs = [one for one, _ in timed]
        findings += [f for _, more in timed for f in more]
    explained: Sequence[CaseExplanation] = ()
    summary: Mapping[str, Any] = {}
    effects: pd.DataFrame | None = None
    suspects: tuple[MeasuredSuspect, ...] = ()
    shortcuts: Mapping[str, Any] = {}
    if explain_cases:
        rows = _sample(study, adapter, predictions, outputs, taken, count=explain_cases, seed=seed)
        explained, summary = _explain(
            study,
            adapter,
            predictions,
            rows,
            seed=seed,
            check_cases=check_cases,
            progress=part_of(progress, 0.6, 0.75),
            cancel=cancel,
        )
        globally, effects = _globally(
            study,
            adapter,
            explain_cases * IMPORTANCE_PER_EXPLAINED,
            seed=seed,
            progress=part_of(progress, 0.75, 0.85),
            cancel=cancel,
        )
        summary = {**summary, **globally}
        suspects = _suspects(study, adapter, seed, part_of(progress, 0.85, 0.95), cancel)
        shortcuts = _shortcut_facts(study, adapter, predictions, attributes, seed, cancel)
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
        findings=tuple(findings),
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
        rows = _worst_drawn(cohort, taken, count=explain_cases, seed=seed)
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


def _worst_drawn(
    cohort: SegmentedCohort, attributes: Sequence[Attribute], *, count: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return the rows to explain: half the lowest overlaps, half from every group in turn."""
    total = len(cohort.case_ids)
    overlaps = np.array([cohort.measures[name]["dice"] for name in cohort.names])
    lowest = np.nan_to_num(overlaps, nan=np.inf).min(axis=0)
    worst = np.argsort(lowest, kind="stable")[: min(count, total) // 2]
    others = np.ones(total, dtype=np.bool_)
    others[worst] = False
    rest = choose_cases(others, [], attributes, count=min(count, total) - len(worst), seed=seed)
    return np.sort(np.concatenate([worst, rest])).astype(np.int64)


def _suspects(
    study: Study, adapter: ModelAdapter, seed: int, progress: Progress, cancel: Cancel
) -> tuple[MeasuredSuspect, ...]:
    """Measure shortcuts of models that take the study's images."""
    if not any(f.modality == "image" for f in adapter.inputs):
        return ()
    from audits.explanations.shortcuts import measure_shortcuts

    return measure_shortcuts(study, adapter, seed=seed, progress=progress, cancel=cancel)


def _shortcut_facts(
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    attributes: Sequence[Attribute],
    seed: int,
    cancel: Cancel,
) -> Mapping[str, Any]:
    """Measure what stands beside the causal test, for models that take the study's images."""
    if predictions.maps is None or not any(f.modality == "image" for f in adapter.inputs):
        return {}
    from audits.explanations.shortcuts import shortcut_context

    return shortcut_context(study, adapter, predictions, attributes, seed=seed, cancel=cancel)


def _outputs(
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    policy: Policy,
    attributes: Sequence[Attribute],
) -> list[ScoredOutput]:
    """Join the model's outputs to the study's labels by name."""
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
    return outputs


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
    truth = label.values if label.target is None else label.target  # noqa: PD011 - an array
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


def _sample(  # noqa: PLR0913 - what makes a case worth explaining
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    outputs: Sequence[ScoredOutput],
    attributes: Sequence[Attribute],
    *,
    count: int,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Return the rows of ``predictions`` to explain."""
    usable = study.available(adapter.inputs)[predictions.rows] & ~predictions.precomputed
    judged = [
        Judged(y=o.y, score=o.score, threshold=o.threshold)
        for o in outputs
        if np.issubdtype(o.y.dtype, np.integer)
    ]
    return choose_cases(usable, judged, attributes, count=count, seed=seed)


def _explain(  # noqa: PLR0913 - passes the run's options on
    study: Study,
    adapter: ModelAdapter,
    predictions: CohortPredictions,
    rows: npt.NDArray[np.int64],
    *,
    seed: int,
    check_cases: int,
    progress: Progress,
    cancel: Cancel,
) -> tuple[Sequence[CaseExplanation], Mapping[str, Any]]:
    from audits.explanations import explain_cohort_sample, methods_for

    if not methods_for(adapter):
        reason = "The model brings scores only, so no score can be explained."
        return (), {"method": None, "cases": 0, "outputs": [], "reason": reason}
    maps = predictions.maps
    known = {}
    if maps is not None:
        known = dict(zip(map(int, maps.rows), maps.values, strict=True))
    return explain_cohort_sample(
        study,
        adapter,
        [predictions.case_ids[row] for row in rows],
        seed=seed,
        maps={predictions.case_ids[row]: known[int(row)] for row in rows if int(row) in known},
        check_cases=check_cases,
        progress=progress,
        cancel=cancel,
    )


def _globally(
    study: Study,
    adapter: ModelAdapter,
    count: int,
    *,
    seed: int,
    progress: Progress,
    cancel: Cancel,
) -> tuple[Mapping[str, Any], pd.DataFrame | None]:
    """Return importance over random cases and the protected-basis inventory, and all effects."""
    from audits.explanations.global_effects import global_effects
    from audits.explanations.importance import global_summary
    from audits.explanations.protected_basis import no_inventory, protected_inventory

    found = global_effects(study, adapter, count, seed=seed, progress=progress, cancel=cancel)
    if found is None:
        taken = ", ".join(sorted({one.modality for one in adapter.inputs})) or "scores only"
        reason = (
            f"{adapter.card.key} takes {taken}. How much of the score is due to one input is "
            "computed for tables of at most 500 variables, measurements over time and notes."
        )
        return {"protected_basis": no_inventory(reason)}, None
    rows = np.array([study.row(case) for case in found.case_ids], dtype=np.intp)
    attributes = [attribute.take(rows) for attribute in study.attributes()]
    summary = {
        "global": global_summary(found, attributes, seed=seed),
        "protected_basis": protected_inventory(found, attributes, seed=seed),
    }
    return summary, found.frame()


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
