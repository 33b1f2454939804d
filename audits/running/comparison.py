"""A comparison of two versions: from two score columns, or joined from two models of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.cancel import Cancel, never, part_of, stop_if
from audits.cohorts import CohortTable
from audits.comparison import (
    NUMBER_METRICS,
    Comparison,
    Joined,
    Version,
    compare_outputs,
    join_versions,
)
from audits.errors import AuditError
from audits.fairness import BINARY_TASKS, ScoredOutput, audit_fairness
from audits.policy import Policy
from audits.running.frames import predictions_frame
from audits.running.predictions import open_scores, plain
from audits.running.table_outputs import rows_of, scored_outputs
from audits.running.table_parts import internal_of, parts_of
from audits.running.thresholds import paired_horizons, paired_thresholds
from audits.running.writing import content_key, unchanged_run, write_run
from audits.storage import Run, Store
from audits.storage.writer import refuse_existing
from audits.types import Finding, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

    from audits.running.model import ModelPass


SEGMENTATION = "segmentation"
IN_RUNS = (*BINARY_TASKS, *NUMBER_METRICS, SEGMENTATION, "survival", "detection")
"""Tasks that two finished runs hold enough of to be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """A comparison that was computed but not written."""

    comparison: Comparison
    joined: Joined

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what was left out, and what differs beside the model."""
        return self.joined.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's ``comparison``, with the cases and outputs that are not in it."""
        found = self.comparison.to_dict()
        found["outputs"] = [
            {**one, "cases": dict(self.joined.cases[one["name"]])} for one in found["outputs"]
        ]
        return {**found, "not_compared": [dict(one) for one in self.joined.not_compared]}


def compare_passes(
    base: ModelPass,
    candidate: ModelPass,
    policy: Policy,
    *,
    audited: Sequence[Mapping[str, Any]],
    seed: int,
    progress: Progress = silent,
) -> ComparisonResult:
    """Compare two models of one run.

    Args:
        base: The version in use.
        candidate: The version that would replace it.
        policy: Declares what gets a verdict.
        audited: ``outputs`` of the run's audit, whose estimates are taken.
        seed: Seed of the run.
        progress: Told how far it is.

    Raises:
        AuditError: If they share no output or no case.
    """
    versions = [
        Version(
            key=one.key,
            case_ids=dict.fromkeys(
                [output.name for output in one.outputs], one.predictions["case_id"].tolist()
            ),
            outputs=one.outputs,
        )
        for one in (base, candidate)
    ]
    return compare_versions(
        versions[0], versions[1], policy, audited=audited, seed=seed, progress=progress
    )


def compare_predictions(  # noqa: PLR0913 - the contract's arguments, all but the table by keyword
    table: pd.DataFrame | Path | str,
    *,
    label: str | Sequence[str],
    base_score: str | Sequence[str],
    candidate_score: str | Sequence[str],
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    patient: str | None = None,
    threshold: float | Sequence[float] | None = None,
    candidate_threshold: float | Sequence[float] | None = None,
    horizon: float | Sequence[float] | None = None,
    policy: Path | str | Mapping[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> ComparisonResult:
    """Compare two score columns of one table on the same patients.

    Args:
        table: A table, or a CSV or Parquet file.
        label: Label column, or several.
        base_score: Score column of the version in use, for each label in order.
        candidate_score: Score column of the version that would replace it.
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names.
        patient: Column that says which rows are the same patient.
        threshold: Predicted positive means score >= threshold; one for all labels or one each.
        candidate_threshold: The candidate's, where it decides at another one.
        horizon: Of survival outputs: one for all or one each.
        policy: Policy file or the same as data; None for the default policy.
        seed: Seed of everything random.
        options: As for ``audit_predictions``.

    Returns:
        The result; ``to_dict()`` is the ``comparison`` of ``evidence.json``.

    Raises:
        PackageError: One sentence on the first thing that cannot be used as it stands.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"y": [0, 1, 1], "a": [0.1, 0.4, 0.9], "b": [0.1, 0.6, 0.9]})
        >>> result = compare_predictions(
        ...     table, label="y", base_score="a", candidate_score="b", threshold=0.5
        ... )
        >>> result.to_dict()["outputs"][0]["groups"][0]["positive_flips"]["k"]
        1
    """
    asked = _Asked(
        thresholds=(_several(threshold), _several(candidate_threshold)),
        horizons=_several(horizon),
        task=str(options.get("task", "binary")),
    )
    opened, declared = _open(
        table,
        label,
        base_score,
        candidate_score,
        policy,
        {"groups": groups, "intersections": intersections, "patient": patient, **options},
    )
    outputs, _ = _scored(opened, declared, asked)
    return compare_versions(*_versions(opened, outputs, asked.task), declared, seed=seed)


def run_predictions_comparison(  # noqa: PLR0913 - mirrors the options of the command
    source: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    base_scores: Sequence[str],
    candidate_scores: Sequence[str],
    policy: Path | str | Mapping[str, Any] | None = None,
    thresholds: Sequence[float] = (),
    candidate_thresholds: Sequence[float] = (),
    threshold_chosen_on: str | None = None,
    horizons: Sequence[float] = (),
    candidate_measures: Mapping[str, str] | None = None,
    seed: int = 0,
    store: Path | str | None = None,
    command: Sequence[str] = (),
    if_changed: bool = False,
    progress: Progress = silent,
    cancel: Cancel = never,
    **options: Any,
) -> Run:
    """Compare two score columns of a table and write a run.

    The run audits both versions as any other run, and holds ``comparison`` beside it. Of a
    segmentation ``columns_of`` names the base's measurements and ``candidate_measures`` the
    candidate's.

    Raises:
        PackageError: One sentence on the first thing that cannot be used as it stands.
        CancelledRun: ``cancel`` said so.
    """
    target = Path(out).absolute()
    if not if_changed:
        refuse_existing(target)
    progress(0.0, "Opening the table")
    registry = Store(store)
    table, declared = _open(source, labels, base_scores, candidate_scores, policy, options)
    key = content_key(
        kind="comparison",
        study=table.sha256,
        policy=declared.sha256,
        seed=seed,
        scores=[list(base_scores), list(candidate_scores)],
        thresholds=[list(thresholds), list(candidate_thresholds)],
        chosen_on=threshold_chosen_on,
        horizons=list(horizons),
        measures=dict(candidate_measures or {}),
        options={name: plain(value) for name, value in options.items() if value is not None},
    )
    same = unchanged_run(target, key) if if_changed else None
    if same is not None:
        return same
    asked = _Asked(
        thresholds=(thresholds, candidate_thresholds),
        chosen_on=threshold_chosen_on,
        horizons=horizons,
        task=str(options.get("task", "binary")),
    )
    outputs, findings = _scored(table, declared, asked)
    if asked.task == SEGMENTATION:
        outputs += _measured_by_candidate(source, policy, declared, candidate_measures, options)
    stop_if(cancel)
    audited = audit_fairness(outputs, declared, seed=seed, progress=part_of(progress, 0.1, 0.5))
    stop_if(cancel)
    compared = compare_versions(
        *_versions(table, outputs, asked.task),
        declared,
        audited=audited.to_dict(),
        seed=seed,
        progress=part_of(progress, 0.5, 0.9),
    )
    parts = replace(
        parts_of(
            table,
            declared,
            audited,
            seed=seed,
            prior_runs=registry.prior_runs(table.sha256, ()),
            findings=list(dict.fromkeys([*findings, *compared.findings])),
        ),
        comparison=compared.to_dict(),
    )
    progress(0.9, "Writing the run")
    internal = internal_of(table, source, key, command, declared)
    internal = replace(internal, predictions=_predictions(table))
    run = write_run(target, parts, internal, store=registry, replace=if_changed, cancel=cancel)
    progress(1.0, "Done")
    return run


def _open(
    source: pd.DataFrame | Path | str,
    labels: str | Sequence[str],
    base_scores: str | Sequence[str],
    candidate_scores: str | Sequence[str],
    policy: Path | str | Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> tuple[CohortTable, Policy]:
    """Open the table with both versions' columns: all of the base, then all of the candidate."""
    names, base, candidate = map(_listed, (labels, base_scores, candidate_scores))
    if not len(names) == len(base) == len(candidate):
        raise AuditError(
            f"The comparison names {len(names)} labels, {len(base)} base scores and "
            f"{len(candidate)} candidate scores; name one of each for every output, in order."
        )
    wanted = dict(options)
    if not isinstance(wanted.get("positive", 1), (str, bool, int, float)):
        wanted["positive"] = [*wanted["positive"], *wanted["positive"]]
    return open_scores(
        source, policy=policy, labels=[*names, *names], scores=[*base, *candidate], **wanted
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command says of the outputs beside their columns."""

    thresholds: tuple[Sequence[float], Sequence[float]]
    chosen_on: str | None = None
    horizons: Sequence[float] = ()
    task: str = "binary"


def _scored(
    table: CohortTable, policy: Policy, asked: _Asked
) -> tuple[list[ScoredOutput], list[Finding]]:
    """Score both versions; each threshold serves both of its output unless the candidate has own.

    ``model`` carries the score column, which is all the name a version of a table has.
    """
    half = len(table.scores) // 2
    names = [score.name for score in table.scores[:half]]
    given = paired_thresholds(asked.thresholds[0], names)
    changed = paired_thresholds(asked.thresholds[1] or asked.thresholds[0], names)
    outputs, findings = scored_outputs(
        table,
        policy,
        [*given, *changed],
        chosen_on=asked.chosen_on,
        task=asked.task,
        horizons=paired_horizons(asked.horizons, names) * 2,
        versions=True,
    )
    named = [score.column for score in table.scores] or [outputs[0].label_column]
    return [
        replace(output, model=name) for output, name in zip(outputs, named, strict=True)
    ], findings


def _measured_by_candidate(
    source: Path | str,
    policy: Path | str | Mapping[str, Any] | None,
    declared: Policy,
    measures: Mapping[str, str] | None,
    options: Mapping[str, Any],
) -> list[ScoredOutput]:
    """Return a segmentation's measurements of the candidate, from the same rows of the table."""
    base = options["columns_of"]
    if not measures or set(measures) != set(base.measures):
        raise AuditError(
            f"The base is measured by {', '.join(base.measures) or 'nothing'} and the candidate by "
            f"{', '.join(measures or {}) or 'nothing'}; name the same measurements of both."
        )
    columns = replace(base, measures=dict(measures))
    table, _ = open_scores(
        source, policy=policy, labels=[], scores=[], **{**options, "columns_of": columns}
    )
    outputs, _ = _scored(table, declared, _Asked(thresholds=((), ()), task=SEGMENTATION))
    return outputs


def _predictions(table: CohortTable) -> dict[str, pd.DataFrame]:
    """Return every score column under its own name, which is that of its version."""
    found: dict[str, pd.DataFrame] = {}
    for score in table.scores:
        values = {score.name: score.values}  # noqa: PD011 - a plain array
        risks = values if table.space == "probability" else {}
        frame = predictions_frame(table.case_ids, "score", values, risks)
        known = found.get(score.column)
        found[score.column] = frame if known is None else known.merge(frame, on="case_id")
    return found


def _several(given: float | Sequence[float] | None) -> list[float]:
    if given is None:
        return []
    return [given] if isinstance(given, (int, float)) else list(given)


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _versions(
    table: CohortTable, outputs: Sequence[ScoredOutput], task: str
) -> tuple[Version, Version]:
    """Name each version by its score columns and say which rows its outputs are on.

    Rows differ between columns where scores are missing, so every output brings its own.
    """
    half = len(outputs) // 2
    ids = np.array(table.case_ids, dtype=object)
    rows = rows_of(table, task) * (2 if task == SEGMENTATION else 1)
    base, candidate = (
        Version(
            key=", ".join(str(output.model) for output in outputs[part]),
            case_ids={
                output.name: ids[kept].tolist()
                for kept, output in zip(rows[part], outputs[part], strict=True)
            },
            outputs=tuple(outputs[part]),
        )
        for part in (slice(None, half), slice(half, None))
    )
    return base, candidate


def compare_versions(
    base: Version,
    candidate: Version,
    policy: Policy,
    *,
    audited: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> ComparisonResult:
    """Join two versions by output and case, and compare them.

    Args:
        base: The version in use.
        candidate: The version that would replace it.
        policy: Declares what gets a verdict.
        audited: ``outputs`` of an audit of both, whose estimates are taken.
        seed: Seed of the run.
        progress: Told how far it is.

    Raises:
        AuditError: If they share no output or no case.
    """
    joined = join_versions(base, candidate)
    comparison = compare_outputs(
        joined.pairs,
        policy,
        base=base.key,
        candidate=candidate.key,
        audited=audited,
        seed=seed,
        progress=progress,
    )
    return ComparisonResult(comparison=comparison, joined=joined)
