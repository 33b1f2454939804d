"""What a run explains of one model: which cases, how, and what its scores rest on at large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cancel import Cancel
from audits.cohorts import Attribute, Study
from audits.fairness import ScoredOutput
from audits.predictions import CohortPredictions
from audits.running.selection import Judged, choose_cases
from audits.types import Progress
from model_adapters import ModelAdapter

if TYPE_CHECKING:
    from audits.explanations import CaseExplanation
    from audits.explanations.shortcuts import MeasuredSuspect
    from audits.predictions.segmentation import SegmentedCohort


def cases_to_explain(  # noqa: PLR0913 - what makes a case worth explaining
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


def drawings_to_explain(
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


def explain_sample(  # noqa: PLR0913 - passes the run's options on
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
    """Explain some cases and check some of the explanations.

    Args:
        study: The study.
        adapter: The model.
        predictions: Its scores, and maps where they came with them.
        rows: Rows of ``predictions`` to explain.
        seed: Seed of what is drawn.
        check_cases: How many get every check.
        progress: Told how far it is.
        cancel: Asked between cases.
    """
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


def explain_globally(
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


def suspects_of(
    study: Study, adapter: ModelAdapter, seed: int, progress: Progress, cancel: Cancel
) -> tuple[MeasuredSuspect, ...]:
    """Measure shortcuts of models that take the study's images."""
    if not any(f.modality == "image" for f in adapter.inputs):
        return ()
    from audits.explanations.shortcuts import measure_shortcuts

    return measure_shortcuts(study, adapter, seed=seed, progress=progress, cancel=cancel)


def shortcut_facts(
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
