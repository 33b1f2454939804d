"""A model's scores of a whole cohort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.cohorts import Study
from audits.errors import AuditError
from audits.predictions.cache import Entry, entry_sha256, load_entry, save_entry
from audits.predictions.forward import Forwarded, ForwardPass
from audits.predictions.joining import join_outputs
from audits.predictions.result import CohortMaps, CohortPredictions
from audits.types import Finding, Progress, Skipped, silent
from model_adapters.base import ModelAdapter
from model_adapters.spaces import probabilities

if TYPE_CHECKING:
    from audits.explanations.cams.engine import MapEngine

# Single precision on another machine moves a logit by some 1e-5; more than this is another model.
SAME_SCORE = 1e-3

Forward = Callable[[Sequence[str]], Forwarded]
"""Puts the named cases through the model and returns what came back."""


def predict_cohort(  # noqa: PLR0913 - a cohort, a model, and how it is run
    study: Study,
    adapter: ModelAdapter,
    *,
    maps: MapEngine | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
    forward: Forward | None = None,
) -> CohortPredictions:
    """Score every case of a study's audit split.

    A case whose inputs are shipped is put through the model, even where the model folder brings a
    score for it; the largest difference between the two is stated. A case without inputs takes
    the folder's score. A case with neither, or whose inputs do not open, is skipped and listed.

    Args:
        study: The study.
        adapter: The model.
        maps: Engine that gives maps from the forward pass that scores; None for scores only.
        cache: Folder for computed predictions; None computes them anew.
        progress: Told how far it is.
        cancel: Asked between batches; True ends it.
        forward: Puts cases through the model in another way, for instance on other machines.

    Raises:
        AuditError: If no output has a label of its name, or no case could be scored.
        CancelledRun: ``cancel`` said so.
    """
    join = join_outputs(study, adapter)
    sha256 = entry_sha256(study, adapter, maps)
    entry = load_entry(cache, sha256) if cache is not None else None
    from_cache = entry is not None
    if entry is None:
        passing = ForwardPass(
            study=study,
            adapter=adapter,
            maps=maps,
            progress=progress,
            stop=lambda: stop_if(cancel),
        )
        entry = _compute(study, adapter, forward or passing.run)
        if cache is not None:
            save_entry(cache, sha256, entry)
    return CohortPredictions(
        key=adapter.card.key,
        output=adapter.output,
        case_ids=tuple(study.case_ids[row] for row in entry.rows),
        rows=entry.rows,
        scores=entry.scores,
        probabilities=probabilities(entry.scores, adapter.output),
        precomputed=entry.precomputed,
        maps=_cohort_maps(maps, entry),
        skipped=entry.skipped,
        findings=(*join.findings, *entry.findings),
        sha256=sha256,
        from_cache=from_cache,
    )


def _cohort_maps(engine: MapEngine | None, entry: Entry) -> CohortMaps | None:
    if engine is None or not len(entry.map_rows):
        return None
    return CohortMaps(
        method=engine.method,
        layer=engine.layer,
        field=engine.field,
        rows=entry.map_rows,
        values=entry.maps,
    )


def _compute(study: Study, adapter: ModelAdapter, forward: Forward) -> Entry:
    scored, given = _given_scores(study, adapter)
    here = study.available(adapter.inputs)
    scores_only = all(one.modality == "case_id" for one in adapter.inputs)
    run = here & scored if scores_only else here
    wanted = [study.case_ids[row] for row in np.flatnonzero(run)]
    forwarded = forward(wanted)
    skipped = [*forwarded.skipped, *_without_score(study, ~run & (scores_only | ~scored))]
    skipped.sort(key=lambda one: study.row(one.case))
    from_file = np.zeros_like(run) if scores_only else scored & ~run
    entry, findings = _assembled(study, adapter, forwarded, from_file, given), []
    if not len(entry.rows):
        reason = skipped[0].reason.rstrip(".")
        raise AuditError(
            f"Model {adapter.card.key}: none of the {len(study.case_ids):,} cases of study "
            f"{study.name} could be scored (the first: {reason}); ship their inputs or a score."
        )
    if not scores_only:
        findings = _precomputed_findings(adapter, entry, scored & run, given)
    return Entry(
        rows=entry.rows,
        scores=entry.scores,
        precomputed=entry.precomputed,
        map_rows=entry.map_rows,
        maps=entry.maps,
        skipped=tuple(skipped),
        findings=tuple(findings),
    )


def _given_scores(
    study: Study, adapter: ModelAdapter
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the scores that came with the model folder, and which cases have one."""
    lookup: Any = getattr(adapter, "precomputed", None)
    n, k = len(study.case_ids), len(adapter.output.names)
    if lookup is None:
        return np.zeros(n, dtype=np.bool_), np.full((n, k), np.nan)
    scored, given = lookup(study.case_ids)
    values = np.asarray(given, dtype=np.float64)
    return np.asarray(scored & np.isfinite(values).all(axis=1)), values


def _without_score(study: Study, rows: npt.NDArray[np.bool_]) -> list[Skipped]:
    reason = "Its inputs are not shipped and the model folder brings no finite score for it."
    return [Skipped(case=study.case_ids[row], reason=reason) for row in np.flatnonzero(rows)]


def _assembled(
    study: Study,
    adapter: ModelAdapter,
    forwarded: Forwarded,
    from_file: npt.NDArray[np.bool_],
    given: npt.NDArray[np.float64],
) -> Entry:
    """Put scores that were run and scores from the file into the study's order."""
    k = len(adapter.output.names)
    run_rows = np.array([study.row(case_id) for case_id in forwarded.case_ids], dtype=np.int64)
    run_scores = np.concatenate([np.zeros((0, k)), *forwarded.scores])
    file_rows = np.flatnonzero(from_file).astype(np.int64)
    rows = np.concatenate([run_rows, file_rows])
    order = np.argsort(rows, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Entry(
        rows=rows[order],
        scores=np.concatenate([run_scores, given[file_rows]])[order],
        precomputed=from_file[rows[order]],
        map_rows=place[: len(run_rows)].astype(np.int64) if forwarded.maps else rows[:0],
        maps=np.concatenate(forwarded.maps) if forwarded.maps else np.zeros((0, k), np.float32),
        skipped=(),
        findings=(),
    )


def _precomputed_findings(
    adapter: ModelAdapter,
    entry: Entry,
    both: npt.NDArray[np.bool_],
    given: npt.NDArray[np.float64],
) -> list[Finding]:
    findings = []
    count, total, where = int(entry.precomputed.sum()), len(entry.rows), adapter.card.key
    if count:
        message = (
            f"{count:,} of {total:,} scores came with the model folder, because the inputs of "
            "these cases are not shipped."
        )
        findings.append(Finding(severity="info", where=where, message=message))
    compared = both[entry.rows]
    if not compared.any():
        return findings
    rows = entry.rows[compared]
    largest = float(np.abs(entry.scores[compared] - given[rows]).max())
    same = largest <= SAME_SCORE
    message = (
        f"{int(compared.sum()):,} cases have inputs and a score in the model folder: the model's "
        f"own scores differ from those by at most {largest:.2g} ({adapter.output.space})"
    )
    message += "." if same else "; the scores of the other cases may come from other weights."
    findings.append(Finding(severity="info" if same else "warning", where=where, message=message))
    return findings
