"""Explain a sample of a cohort at once, and sum up what drives the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, part_of, stop_if
from audits.errors import ExplanationError
from audits.explanations.attention import leading_map, one_pass
from audits.explanations.backgrounds import Background, CaseSource
from audits.explanations.case import choose_method, explain_unchecked
from audits.explanations.checks.names import ONE_PASS
from audits.explanations.checks.sample import with_checks
from audits.explanations.localisation import localise_cohort, with_localisation
from audits.explanations.result import CaseExplanation, Method
from audits.explanations.sample import Sample, open_sample
from audits.explanations.segmentation.explain import with_region
from audits.explanations.shapley import FieldsGame, ShapleyEstimate, Stop, shapley_values
from audits.explanations.spaces import explained
from audits.explanations.summary import summarise
from audits.explanations.wide_tables import is_wide
from audits.types import Finding, Progress, silent

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

IMAGES_PER_STEP = 16
_EXPLAINED = 0.6
TABLE_METHODS = ("shapley", "tree_interventional", "linear")

CaseMaps = Mapping[str, npt.NDArray[np.float32]]
"""Case id -> maps (outputs, *grid) of an earlier pass over the cohort."""


def explain_cohort_sample(  # noqa: PLR0913 - one door for the whole of a run's explanations
    study: CaseSource,
    adapter: ModelAdapter,
    case_ids: Sequence[str],
    *,
    method: str | None = None,
    seed: int = 0,
    background: Background | None = None,
    maps: CaseMaps | None = None,
    check_cases: int = 0,
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
        check_cases: How many of the explained cases, drawn with the seed, get every check.
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
    sample = open_sample(study, adapter, case_ids, seed=seed, background=background)
    if not sample.case_ids:
        reason = "no case of the sample has its inputs in the study"
        return [], summarise([], adapter, skipped=sample.skipped, reason=reason)
    explaining = part_of(progress, 0.0, _EXPLAINED)
    if chosen in TABLE_METHODS:
        explained_cases = _explain_tables(sample, chosen, explaining, cancel)
    elif chosen in ONE_PASS:
        known = maps if maps and chosen == leading_map(adapter) else {}
        explained_cases = _explain_images(sample, chosen, known, explaining, cancel)
    else:
        explained_cases = _explain_one_by_one(sample, chosen, explaining, cancel)
    explained_cases = with_checks(
        sample,
        explained_cases,
        count=check_cases,
        progress=part_of(progress, _EXPLAINED, 1.0),
        cancel=cancel,
    )
    progress(1.0, "Explained")
    summary = summarise(
        explained_cases,
        adapter,
        patients=patient_codes(study, sample.case_ids),
        skipped=sample.skipped,
        seed=seed,
    )
    localised = _localised(study, explained_cases, seed)
    if localised:
        summary["localisation"] = localised
    return explained_cases, summary


def _explain_tables(
    sample: Sample, method: str, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    from audits.explanations.measurement import measurement_effects
    from audits.explanations.variables import explanation_of_row, table_field

    wide = any(is_wide(field) for field in sample.adapter.inputs)
    if not sample.is_one_table or sample.background is None or wide:
        return _explain_one_by_one(sample, method, progress, cancel)
    stop_if(cancel)
    progress(0.1, f"Computing effects for {len(sample.case_ids)} cases")
    game = sample_game(sample, sample.background)
    estimate, done, findings = sample_estimate(sample, game, sample.background, method)
    progress(0.6, "Splitting effects into being measured and the value")
    field = table_field(sample.adapter)
    parts = measurement_effects(
        game, field, sample.raw, sample.background, estimate, seed=sample.seed
    )
    out = []
    for row in range(len(sample.case_ids)):
        stop_if(cancel)
        for index in range(len(sample.adapter.output.names)):
            request = sample.request(row, index)
            out.append(
                explanation_of_row(
                    request,
                    estimate,
                    sample.background,
                    parts,
                    method=done,
                    row=row,
                    findings=findings,
                )
            )
        progress(0.8 + 0.2 * (row + 1) / len(sample.case_ids), "Writing effects down")
    return out


def sample_game(sample: Sample, background: Background) -> FieldsGame:
    """Return the game of a sample's table."""
    from audits.explanations.variables import table_field, table_game

    space = sample.adapter.output.space
    return table_game(
        lambda batch: explained(sample.adapter.predict(batch), space),
        table_field(sample.adapter),
        sample.prepared,
        background,
        device=sample.adapter.device,
    )


def sample_estimate(
    sample: Sample,
    game: FieldsGame,
    background: Background,
    method: str,
    *,
    stop: Stop | None = None,
) -> tuple[ShapleyEstimate, Method, tuple[Finding, ...]]:
    """Return effects of a whole sample, the method that gave them, and what to say of it.

    Args:
        sample: Cases of a model with one table.
        game: Its game.
        background: What they are measured against.
        method: ``shapley``, ``tree_interventional`` or ``linear``.
        stop: When sampled effects stop; default :class:`~audits.explanations.shapley.Stop`.
    """
    if method == "tree_interventional":
        from audits.explanations.tree_models import fallback_findings, interventional_estimate

        estimate, reason = interventional_estimate(
            sample.adapter, sample.prepared, background, seed=sample.seed
        )
        done: Method = "tree_interventional" if reason is None else "shapley"
        return estimate, done, fallback_findings(reason)
    if method == "linear":
        from audits.explanations.linear_models import linear_estimate, linear_findings

        estimate, additive = linear_estimate(game, seed=sample.seed, stop=stop)
        return (estimate, "linear", ()) if additive else (estimate, "shapley", linear_findings())
    return shapley_values(game, seed=sample.seed, stop=stop), "shapley", ()


def _explain_images(
    sample: Sample, method: str, known: CaseMaps, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    from audits.explanations.maps import explanation_of_maps

    engine = one_pass(sample.adapter, method)
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
            found = with_region(request, explanation_of_maps(request, engine, maps_of_case))
            out.append(with_localisation(sample.study, found))
    return out


def _localised(
    study: CaseSource, explanations: Sequence[CaseExplanation], seed: int
) -> list[dict[str, Any]]:
    """Sum up how maps agree with masks or boxes of the findings, where the study has any."""
    from audits.cohorts import Study

    if not isinstance(study, Study) or not any(one.map for one in explanations):
        return []
    return localise_cohort(study, explanations, study.attributes(), seed=seed)


def _explain_one_by_one(
    sample: Sample, method: str, progress: Progress, cancel: Cancel
) -> list[CaseExplanation]:
    out = []
    for row in range(len(sample.case_ids)):
        for index in range(len(sample.adapter.output.names)):
            stop_if(cancel)
            out.append(explain_unchecked(sample.request(row, index), method))
        progress((row + 1) / len(sample.case_ids), "Explaining cases")
    return out


def patient_codes(study: CaseSource, case_ids: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Return the patient of each case, or None where the study names none."""
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
