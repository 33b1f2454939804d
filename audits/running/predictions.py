"""An audit of scores that somebody hands over without the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.cancel import Cancel, never, part_of, stop_if
from audits.cohorts import CohortTable, open_table
from audits.cohorts.streamed import StreamedTable
from audits.cohorts.task_columns import TaskNames
from audits.fairness import audit_fairness
from audits.fairness.custom import Metric, Of, custom_metrics_of
from audits.policy import Policy, load_policy
from audits.reporting import AuditParts, build_evidence
from audits.running.causes import table_context, with_causes
from audits.running.columns import table_columns, with_declared
from audits.running.extras import with_sections
from audits.running.streamed import (
    audit_in_portions,
    internal_of_portions,
    open_in_portions,
    streams,
)
from audits.running.table_outputs import rows_of, scored_outputs, stays_of
from audits.running.table_parts import internal_of, parts_of
from audits.running.thresholds import paired_horizons, paired_thresholds
from audits.running.writing import (
    content_key,
    now,
    unchanged_run,
    write_run,
)
from audits.storage import Run, Store
from audits.storage.writer import refuse_existing
from audits.types import Progress, silent
from model_adapters import select_device

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """An audit that was computed but not written.

    Attributes:
        parts: Everything that was computed, exact.
        table: The cohort.
        policy: The policy it was audited under.
    """

    parts: AuditParts
    table: CohortTable
    policy: Policy

    def to_dict(self) -> dict[str, Any]:
        """Return the exact evidence, as ``evidence.json`` holds it at release ``internal``."""
        return build_evidence(self.parts)


def open_scores(
    source: pd.DataFrame | Path | str,
    *,
    policy: Path | str | Mapping[str, Any] | None,
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    **options: Any,
) -> tuple[CohortTable, Policy]:
    """Open a table and the policy it is audited under.

    Groups that only the policy names are read too, where the table has such a column.

    Args:
        source: CSV or Parquet file, or a table.
        policy: Policy file or data; None for the default policy.
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names.
        options: Further arguments of :func:`audits.cohorts.open_table`.

    Raises:
        StudyError: Something of the table cannot be used as it stands.
        PolicyError: The policy does not say what it must.
    """
    declared = load_policy(policy)
    wanted, crossed = list(groups), [list(i) for i in intersections]
    if declared.groups or declared.intersections:
        columns = table_columns(source)
        wanted, crossed = with_declared(declared, columns, groups, intersections)
    asked = (*declared.causes.second_label.values(), *declared.causes.slice_columns)
    keep = [name for name in asked if name in table_columns(source)] if asked else []
    table = open_table(source, groups=wanted, intersections=crossed, keep=keep, **options)
    return table, load_policy(policy, groups=table.groups, intersections=table.intersections)


def audit_table(  # noqa: PLR0913 - mirrors the options of the command
    table: CohortTable,
    policy: Policy,
    *,
    thresholds: Sequence[float] = (),
    threshold_chosen_on: str | None = None,
    task: str = "binary",
    horizons: Sequence[float] = (),
    custom_metrics: Mapping[str, Metric | tuple[Metric, Of]] | None = None,
    seed: int = 0,
    prior_runs: Sequence[Mapping[str, Any]] = (),
    why: bool | None = False,
    bootstrap: int = 0,
    device: str = "cpu",
    progress: Progress = silent,
) -> AuditResult:
    """Audit a table of labels and scores.

    Args:
        table: The opened table.
        policy: Declares what gets a verdict.
        thresholds: One for all outputs or one for each; 0.5 stands in for probabilities.
        threshold_chosen_on: sha256 of the data the thresholds were chosen on.
        task: Task of the outputs.
        horizons: Of survival outputs: one for all or one for each.
        custom_metrics: Name -> ``function(y_true, y_pred)``, or that with ``called`` or ``score``.
        seed: Seed of everything random.
        prior_runs: Earlier runs of the same table.
        why: Look for causes, slices and mitigation; None for tables that are not large.
        bootstrap: Resamples of the patients for a view beside the intervals; 0 for none.
        device: Where they are drawn.
        progress: Told how far the audit is.

    Raises:
        AuditError: The thresholds do not pair with the labels.
    """
    declared_at = now()
    custom = custom_metrics_of(custom_metrics, policy.custom_metrics)
    names = [s.name for s in table.scores]
    outputs, findings = scored_outputs(
        table,
        policy,
        paired_thresholds(thresholds, names),
        chosen_on=threshold_chosen_on,
        task=task,
        horizons=paired_horizons(horizons, names),
    )
    rows = rows_of(table, task)
    result = audit_fairness(outputs, policy, seed=seed, progress=part_of(progress, 0.0, 0.7))
    result = with_sections(
        result,
        outputs,
        policy,
        stays=[stays_of(table, kept) for kept in rows],
        custom=custom,
        seed=seed,
        bootstrap=bootstrap,
        device=device,
    )
    result = with_causes(
        result,
        [
            (output, table_context(table, policy, kept))
            for output, kept in zip(outputs, rows, strict=True)
        ],
        policy,
        seed=seed,
        why=why,
        progress=part_of(progress, 0.7, 1.0),
    )
    parts = parts_of(
        table,
        policy,
        result,
        seed=seed,
        prior_runs=prior_runs,
        findings=findings,
        declared_at=declared_at,
    )
    return AuditResult(parts=parts, table=table, policy=policy)


def run_predictions_audit(  # noqa: PLR0913 - mirrors the options of the command
    source: Path | str,
    out: Path | str,
    *,
    policy: Path | str | Mapping[str, Any] | None = None,
    thresholds: Sequence[float] = (),
    threshold_chosen_on: str | None = None,
    horizons: Sequence[float] = (),
    seed: int = 0,
    store: Path | str | None = None,
    command: Sequence[str] = (),
    if_changed: bool = False,
    why: bool | None = None,
    stream_above: int | None = None,
    bootstrap: int = 0,
    device: str = "cpu",
    progress: Progress = silent,
    cancel: Cancel = never,
    **options: Any,
) -> Run:
    """Audit a table of labels and scores and write a run.

    Args:
        source: CSV or Parquet file.
        out: Run folder to make.
        policy: Policy file or data; None for the default policy.
        thresholds: One for all outputs or one for each.
        threshold_chosen_on: sha256 of the data the thresholds were chosen on.
        horizons: Of survival outputs: one for all or one for each.
        seed: Seed of everything random.
        store: Store of runs.
        command: Command line, kept in ``internal/run.json``.
        if_changed: Return the run in ``out`` if it was made from the same things; otherwise
            move it to ``<out>.<its id>`` and make a new one.
        why: Look for causes, slices and mitigation; None for tables that are not large.
        stream_above: Rows above which a Parquet table of binary outputs is read in portions, so
            that its size does not matter; None for two million.
        bootstrap: Resamples of the patients for a view beside the intervals; 0 for none.
        device: Where rows are counted and resampled: ``auto``, ``cpu`` or ``cuda``.
        progress: Told how far the run is.
        cancel: Asked between steps.
        options: Labels, scores and further arguments of :func:`open_scores`.

    Raises:
        PackageError: One sentence on the first thing that cannot be used as it stands.
        CancelledRun: ``cancel`` said so.
    """
    target = Path(out).absolute()
    if not if_changed:
        refuse_existing(target)
    progress(0.0, "Opening the table")
    registry = Store(store)
    portions = not bootstrap and streams(source, stream_above, options, why=why)
    where = select_device(device) if bootstrap or portions else "cpu"
    opened = open_in_portions if portions else open_scores
    table, declared = opened(source, policy=policy, **options)
    key = content_key(
        kind="predictions",
        study=table.sha256,
        policy=declared.sha256,
        seed=seed,
        thresholds=list(thresholds),
        chosen_on=threshold_chosen_on,
        horizons=list(horizons),
        why=why,
        portions=portions,
        bootstrap=bootstrap,
        options={k: plain(v) for k, v in options.items() if v is not None},
    )
    same = unchanged_run(target, key) if if_changed else None
    if same is not None:
        return same
    stop_if(cancel)
    shared: dict[str, Any] = {
        "thresholds": thresholds,
        "threshold_chosen_on": threshold_chosen_on,
        "seed": seed,
        "prior_runs": registry.prior_runs(table.sha256, ()),
        "progress": part_of(progress, 0.1, 0.9),
    }
    if isinstance(table, StreamedTable):
        parts, counts = audit_in_portions(
            table, declared, cancel=cancel, device=where, why=why, **shared
        )
        internal = internal_of_portions(table, counts, key, command, declared)
    else:
        task = str(options.get("task", "binary"))
        found = audit_table(
            table,
            declared,
            task=task,
            horizons=horizons,
            why=why,
            bootstrap=bootstrap,
            device=where,
            **shared,
        )
        parts = found.parts
        internal = internal_of(table, source, key, command, declared)
    progress(0.9, "Writing the run")
    stop_if(cancel)
    run = write_run(target, parts, internal, store=registry, replace=if_changed, cancel=cancel)
    progress(1.0, "Done")
    return run


def plain(value: Any) -> Any:
    """Return an option as plain data, for the key of a run."""
    return asdict(value) if isinstance(value, TaskNames) else value
