"""Explain a sample of a cohort at once, and sum up what drives the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.errors import ExplanationError
from audits.explanations.backgrounds import Background, CaseSource, audit_background
from audits.explanations.case import choose_method
from audits.explanations.request import Request
from audits.explanations.result import CaseExplanation
from audits.explanations.shapley import ShapleyEstimate, shapley_values
from audits.explanations.spaces import explained
from audits.explanations.summary import summarise
from audits.types import Progress, Skipped, silent

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

IMAGES_PER_STEP = 16
REFERENCE_IMAGES = 16
TABLE_METHODS = ("shapley", "tree_interventional")

CaseMaps = Mapping[str, npt.NDArray[np.float32]]
"""Case id -> maps (outputs, *grid) of an earlier pass over the cohort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Opened cases of one model: raw and prepared rows in the order of ``case_ids``."""

    study: CaseSource
    adapter: ModelAdapter
    case_ids: tuple[str, ...]
    raw: Mapping[str, Any]
    prepared: Mapping[str, Any]
    scores: npt.NDArray[np.float64]
    seed: int
    background: Background | None
    skipped: tuple[Skipped, ...]

    def request(self, row: int, index: int) -> Request:
        return Request(
            study=self.study,
            adapter=self.adapter,
            case=self.case_ids[row],
            index=index,
            raw={name: _row(value, row) for name, value in self.raw.items()},
            prepared={name: value[row : row + 1] for name, value in self.prepared.items()},
            scores=self.scores[row : row + 1],
            seed=self.seed,
            given_background=self.background,
        )


def explain_cohort_sample(  # noqa: PLR0913 - one door for the whole of a run's explanations
    study: CaseSource,
    adapter: ModelAdapter,
    case_ids: Sequence[str],
    *,
    method: str | None = None,
    seed: int = 0,
    background: Background | None = None,
    maps: CaseMaps | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[list[CaseExplanation], dict[str, Any]]:
    """Explain every output of some cases, sharing every evaluation that can be shared.

    Args:
        study: An opened study.
        adapter: A loaded model.
        case_ids: Which cases; those whose inputs cannot be opened are named in the summary.
        method: A method's name; default the best one for the model.
        seed: Seed of everything drawn.
        background: Cohort for effects; default drawn from the audited cases.
        maps: Maps that a pass over the cohort already gave, by case id; the others are computed.
        progress: Told how far it is.
        cancel: Asked between steps.

    Returns:
        One explanation per case and output, and the summary for ``evidence["explanations"]``.

    Raises:
        ExplanationError: If the method does not fit the model.
        CancelledRun: If ``cancel`` said so.
    """
    chosen = choose_method(adapter, method)
    progress(0.0, f"Opening {len(case_ids)} cases to explain")
    sample = _open(study, adapter, case_ids, seed=seed, background=background)
    if not sample.case_ids:
        reason = "no case of the sample has its inputs in the study"
        return [], summarise([], adapter, skipped=sample.skipped, reason=reason)
    if chosen in TABLE_METHODS:
        explained_cases = _explain_tables(sample, chosen, progress, cancel)
    elif chosen == "gradcam":
        explained_cases = _explain_images(sample, maps or {}, progress, cancel)
    else:
        explained_cases = _explain_one_by_one(sample, chosen, progress, cancel)
    progress(1.0, "Explained")
    explained_cases = _with_model_checks(sample, explained_cases)
    summary = summarise(
        explained_cases,
        adapter,
        patients=_patient_codes(study, sample.case_ids),
        skipped=sample.skipped,
        seed=seed,
    )
    localised = _localised(study, explained_cases, seed)
    if localised:
        summary["localisation"] = localised
    return explained_cases, summary


def _open(
    study: CaseSource,
    adapter: ModelAdapter,
    case_ids: Sequence[str],
    *,
    seed: int,
    background: Background | None,
) -> _Sample:
    raw, usable, skipped = study.raw_batch(adapter.inputs, list(case_ids))
    prepared = adapter.prepare(raw) if usable else {}
    scores = adapter.predict(prepared) if usable else np.empty((0, len(adapter.output.names)))
    needs_table = usable and any(field.modality == "table" for field in adapter.inputs)
    if background is None and needs_table:
        background = audit_background(study, adapter, seed=seed)
    return _Sample(
        study=study,
        adapter=adapter,
        case_ids=tuple(usable),
        raw=raw,
        prepared=prepared,
        scores=scores,
        seed=seed,
        background=background,
        skipped=tuple(skipped),
    )


def _explain_tables(
    sample: _Sample, method: str, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    from audits.explanations.tree_models import fallback_findings, interventional_estimate
    from audits.explanations.variables import explanation_of_estimate

    if len(sample.adapter.inputs) > 1 or sample.background is None:
        return _explain_one_by_one(sample, method, progress, cancel)
    stop_if(cancel)
    progress(0.1, f"Computing effects for {len(sample.case_ids)} cases")
    reason = None
    if method == "tree_interventional":
        estimate, reason = interventional_estimate(
            sample.adapter, sample.prepared, sample.background, seed=sample.seed
        )
    else:
        estimate = _shapley(sample, sample.background)
    done = choose_method(sample.adapter, method if reason is None else "shapley")
    out = []
    for row in range(len(sample.case_ids)):
        stop_if(cancel)
        for index in range(len(sample.adapter.output.names)):
            request = sample.request(row, index)
            out.append(
                explanation_of_estimate(
                    request,
                    estimate,
                    sample.background,
                    method=done,
                    row=row,
                    findings=fallback_findings(reason),
                )
            )
        progress(0.8 + 0.2 * (row + 1) / len(sample.case_ids), "Writing effects down")
    return out


def _shapley(sample: _Sample, background: Background) -> ShapleyEstimate:
    from audits.explanations.variables import table_field, table_game

    space = sample.adapter.output.space
    game = table_game(
        lambda batch: explained(sample.adapter.predict(batch), space),
        table_field(sample.adapter),
        sample.prepared,
        background,
    )
    return shapley_values(game, seed=sample.seed)


def _explain_images(
    sample: _Sample, known: CaseMaps, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    from audits.explanations.cams import cam_engine
    from audits.explanations.checks import checked_map
    from audits.explanations.maps import explanation_of_maps

    engine = cam_engine(sample.adapter)
    computed: dict[str, npt.NDArray[np.float32]] = {}
    missing = [row for row, case in enumerate(sample.case_ids) if case not in known]
    for start in range(0, len(missing), IMAGES_PER_STEP):
        stop_if(cancel)
        rows = missing[start : start + IMAGES_PER_STEP]
        batch = {name: value[rows] for name, value in sample.prepared.items()}
        _, maps = engine.forward_with_maps(batch)
        computed |= {sample.case_ids[row]: maps[place] for place, row in enumerate(rows)}
        progress(0.9 * (start + len(rows)) / len(missing), "Reading maps")
    out = []
    for row, case in enumerate(sample.case_ids):
        maps_of_case = known[case] if case in known else computed[case]
        for index in range(len(sample.adapter.output.names)):
            request = sample.request(row, index)
            explanation = explanation_of_maps(request, engine, maps_of_case)
            out.append(checked_map(request, explanation, run=False))
    return out


def _with_model_checks(
    sample: _Sample, explanations: list[CaseExplanation]
) -> list[CaseExplanation]:
    """Return explanations with parameter randomisation filled in, where maps are cheap."""
    from audits.explanations.cams.formulas import CAM_METHODS
    from audits.explanations.checks.randomisation import NAME as RANDOMISATION
    from audits.explanations.checks.randomisation import randomisation_checks

    names = sample.adapter.output.names
    if not explanations or explanations[0].method not in CAM_METHODS:
        return explanations
    cases = {name: value[:REFERENCE_IMAGES] for name, value in sample.prepared.items()}
    found = randomisation_checks(
        sample.adapter, explanations[0].method, range(len(names)), cases, seed=sample.seed
    )
    by_output = dict(zip(names, found, strict=True))
    return [
        replace(
            one,
            checks=tuple(
                by_output[one.output] if check.name == RANDOMISATION else check
                for check in one.checks
            ),
        )
        for one in explanations
    ]


def _localised(
    study: CaseSource, explanations: Sequence[CaseExplanation], seed: int
) -> list[dict[str, Any]]:
    """Compare maps with masks of the findings, where the study has any."""
    from audits.cohorts import Study

    if not isinstance(study, Study) or not any(one.map for one in explanations):
        return []
    from audits.explanations.localisation import localise_cohort

    return localise_cohort(study, explanations, study.attributes(), seed=seed)


def _explain_one_by_one(
    sample: _Sample, method: str, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    from audits.explanations.case import explain_request

    out = []
    for row in range(len(sample.case_ids)):
        for index in range(len(sample.adapter.output.names)):
            stop_if(cancel)
            out.append(explain_request(sample.request(row, index), method))
        progress((row + 1) / len(sample.case_ids), "Explaining cases")
    return out


def _row(value: Any, row: int) -> Any:
    """Return one row of a table, a list or an array, as a batch of one."""
    return value.iloc[[row]] if hasattr(value, "iloc") else value[row : row + 1]


def _patient_codes(study: CaseSource, case_ids: Sequence[str]) -> npt.NDArray[np.int64] | None:
    codes = getattr(study, "patients", None)
    if codes is None:
        return None
    place = {case: row for row, case in enumerate(study.case_ids)}
    try:
        return np.asarray([codes[place[case]] for case in case_ids], dtype=np.int64)
    except KeyError as error:
        raise ExplanationError(
            f"case: {error.args[0]!r} is not among the audited cases of study {study.name!r}; "
            "give cases of the audited split"
        ) from None
