"""The run of a Parquet table that is too large for memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.cancel import Cancel, never, part_of
from audits.cohorts.streamed import StreamedTable, open_streamed, parquet_rows
from audits.cohorts.table import missing_patients
from audits.errors import StudyError
from audits.fairness import ScoredOutput
from audits.fairness.spill import Spill
from audits.fairness.streaming import StreamedOutput, audit_streamed
from audits.policy import Policy, load_policy
from audits.reporting import AuditParts, library_versions
from audits.running.columns import table_columns, with_declared
from audits.running.gathered import Gathered, gather, scored_rows
from audits.running.patient_sample import PatientSample
from audits.running.quality import share_of
from audits.running.requirements import requirements_of
from audits.running.sampled_sections import explained_on_sample
from audits.running.thresholds import named_threshold, paired_thresholds
from audits.running.unused import undeclared_intersections, unused_settings
from audits.running.writing import SCORES_KEY, Internal, new_run_id, now, stamp
from audits.types import Finding, Progress, silent

if TYPE_CHECKING:
    import numpy.typing as npt

STREAM_ABOVE = 2_000_000
"""Rows above which a Parquet table is read in portions."""
_OPTIONS = frozenset(
    {"labels", "scores", "patient", "groups", "intersections", "positive", "task", "space", "scope"}
)
_NO_ROWS = "The table was read in portions, so its rows were not compared with each other."


def streams(
    source: Path | str, above: int | None, options: Mapping[str, Any], *, why: bool | None
) -> bool:
    """Return whether a table is read in portions: a large Parquet file of binary outputs.

    What needs every row side by side (other tasks, case ids, causes) is read at once.

    Args:
        source: The file.
        above: Rows from which on; None for two million.
        options: Arguments of :func:`audits.running.predictions.open_scores`.
        why: Whether causes were asked for.
    """
    path = Path(source)
    if path.suffix.lower() != ".parquet" or why or options.get("task", "binary") != "binary":
        return False
    needs_all = {
        name for name, value in options.items() if name not in _OPTIONS and value is not None
    }
    columns = options.get("columns_of")
    if columns is not None and not any(_values(columns)):
        needs_all.discard("columns_of")
    limit = STREAM_ABOVE if above is None else above
    return not needs_all and parquet_rows(path) > limit


def _values(columns: Any) -> list[Any]:
    return [getattr(columns, name) for name in type(columns).__slots__]


def audit_in_portions(  # noqa: PLR0913 - mirrors the options of the command
    table: StreamedTable,
    policy: Policy,
    *,
    thresholds: Sequence[float] = (),
    threshold_chosen_on: str | None = None,
    seed: int = 0,
    prior_runs: Sequence[Mapping[str, Any]] = (),
    device: str = "cpu",
    why: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[AuditParts, dict[str, Mapping[str, npt.NDArray[Any]]]]:
    """Audit a table without ever holding its rows.

    Returns the parts of its evidence, and the counts of each output with the rows of the sampled
    patients as arrays, by name.

    Args:
        table: The opened table.
        policy: Declares what gets a verdict.
        thresholds: One for all outputs or one for each; 0.5 stands in for probabilities.
        threshold_chosen_on: sha256 of the data the thresholds were chosen on.
        seed: Seed of everything random.
        prior_runs: Earlier runs of the same table.
        device: Where rows are counted.
        why: False leaves out causes, slices and mitigation, which are made on sampled patients.
        progress: Told how far the audit is.
        cancel: Asked between portions.

    Raises:
        StudyError: A score cannot be used, or no row has both label and score.
        AuditError: Rows cannot be put aside on disk.
    """
    moment = now()
    names = [label.name for label in table.labels]
    paired = paired_thresholds(thresholds, names)
    with tempfile.TemporaryDirectory(prefix="auscult-") as folder:
        spill = Spill(
            Path(folder) / "rows",
            table.rows,
            outputs=len(names),
            attributes=len(table.attributes),
        )
        steps = part_of(progress, 0.0, 0.4)
        gathered, sample = gather(table, spill, steps, cancel, device)
        spill.sort()
        outputs, findings = [], []
        for index, command in enumerate(paired):
            output, more = _output(table, index, policy, command, threshold_chosen_on)
            findings += more
            outputs.append(_streamed(table, gathered, spill, output, index))
        result = audit_streamed(outputs, policy, seed=seed, progress=part_of(progress, 0.4, 0.9))
        sampled = [
            sample.output(
                item.output, item.index, table.attributes, named_patients=item.named_patients
            )
            for item in outputs
        ]
        steps = part_of(progress, 0.9, 1.0)
        result = explained_on_sample(
            result,
            sampled,
            policy,
            sample=sample,
            patients=spill.everybody,
            seed=seed,
            why=why,
            progress=steps,
            cancel=cancel,
        )
    attributes = [attribute.name for attribute in table.attributes]
    parts = AuditParts(
        run={
            "id": new_run_id(moment),
            "created": stamp(moment),
            "seed": seed,
            "versions": library_versions(models=False),
            "device": device,
        },
        declaration={"policy_sha256": policy.sha256, "time": stamp(moment), "by": policy.by},
        policy=policy.to_dict(),
        study={
            "name": table.path.stem,
            "version": "",
            "sha256": table.sha256,
            "cases": table.rows,
            "patients": spill.everybody if table.patient is not None else None,
            "scope": table.scope,
        },
        prior_runs=prior_runs,
        skipped=tuple(gathered.skipped),
        outputs=result.to_dict(),
        data_quality=_quality(table, gathered, spill),
        requirements=requirements_of(policy, attributes, ()),
        findings=[
            *table.findings,
            *missing_patients(table.patient or "", gathered.unknown_patients),
            *policy.findings,
            *unused_settings(policy, names, attributes),
            *undeclared_intersections(table.intersections, policy),
            *findings,
            *_portion_findings(table, gathered, sample, why=why),
        ],
    )
    return parts, {
        item.output.name: {**item.counts.arrays(), **sample.arrays(item.index)} for item in outputs
    }


def _output(
    table: StreamedTable,
    index: int,
    policy: Policy,
    command: float | None,
    chosen_on: str | None,
) -> tuple[ScoredOutput, list[Finding]]:
    """Return an output without rows, and a finding where the customary threshold stands in."""
    name = table.labels[index].name
    threshold, findings = named_threshold(
        name, command=command, policy=policy, chosen_on=chosen_on, space=table.space
    )
    none = np.zeros(0, dtype=np.int32)
    output = scored_rows(
        table,
        index,
        np.zeros(0, dtype=np.int8),
        np.zeros(0),
        [none] * len(table.attributes),
    )
    return replace(
        output,
        threshold=threshold.value,
        threshold_source=threshold.source,
        threshold_chosen_on=threshold.chosen_on,
    ), findings


def _streamed(
    table: StreamedTable, gathered: Gathered, spill: Spill, output: ScoredOutput, index: int
) -> StreamedOutput:
    counts = gathered.counts[index]
    if counts is None or counts.n == 0:
        raise StudyError(
            f"{table.path}: no row has both the label {output.label_column!r} and the score "
            f"{table.scores[index]!r}; give a table where at least one row has both."
        )
    return StreamedOutput(
        output=output,
        counts=counts,
        spill=spill,
        index=index,
        named_patients=table.patient is not None,
    )


def _quality(table: StreamedTable, gathered: Gathered, spill: Spill) -> dict[str, Any]:
    n = table.rows
    repeated: dict[str, Any] = {
        "state": "not_available",
        "reason": "No patient column is declared.",
    }
    if table.patient is not None:
        repeated = {
            "state": "computed",
            "patients": spill.everybody,
            "with_repeats": {"count": spill.repeated},
            "most_cases_of_one_patient": spill.most,
        }
    return {
        "missing": [
            {"variable": name, "n": n, "missing": count, "share": count / n}
            for name, count in ((name, gathered.missing[name]) for name in table.columns)
        ],
        "repeated_patients": repeated,
        "doubled_rows": {"state": "not_available", "reason": _NO_ROWS},
        "prevalence": [
            {
                "label": label.name,
                "attribute": None,
                **share_of(k, known),
            }
            for label, k, known in zip(
                table.labels, gathered.positives, gathered.known, strict=True
            )
        ],
    }


def _portion_findings(
    table: StreamedTable, gathered: Gathered, sample: PatientSample, *, why: bool | None
) -> list[Finding]:
    deeper = "reliability, causes, slices and mitigation" if why is not False else "reliability"
    message = (
        f"The {table.rows:,} rows were read in portions: nothing of single cases is shown. "
        f"What needs rows beside each other ({deeper}; how alike a patient's rows are when the "
        f"threshold moves) rests on {len(sample.patient):,} rows of {sample.patients:,} patients, "
        "chosen by a hash."
    )
    findings = [Finding(severity="info", where="cases", message=message)]
    if gathered.unusable > len(gathered.skipped):
        message = (
            f"{gathered.unusable:,} rows lack a label or a score; "
            f"the first {len(gathered.skipped):,} are listed."
        )
        findings.append(Finding(severity="warning", where="skipped", message=message))
    return findings


def open_in_portions(
    source: Path | str,
    *,
    policy: Path | str | Mapping[str, Any] | None,
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    **options: Any,
) -> tuple[StreamedTable, Policy]:
    """Open a large Parquet table and the policy it is audited under.

    Groups that only the policy names are read too, where the table has such a column.

    Args:
        source: The file.
        policy: Policy file or data; None for the default policy.
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names.
        options: Further arguments of :func:`audits.cohorts.streamed.open_streamed`.
    """
    declared = load_policy(policy)
    wanted, crossed = with_declared(declared, table_columns(source), groups, intersections)
    known = {k: v for k, v in options.items() if k in _OPTIONS - {"task"} and v is not None}
    table = open_streamed(Path(source), groups=wanted, intersections=crossed, **known)
    return table, load_policy(policy, groups=table.groups, intersections=table.intersections)


def internal_of_portions(
    table: StreamedTable,
    counts: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    key: str,
    command: Sequence[str],
    policy: Policy,
) -> Internal:
    """Return what of such a run stays on site: counts by group, label and score, and a sample."""
    from audits.running.frames import cases_frame, predictions_frame

    none = {score: np.zeros(0) for score in (label.name for label in table.labels)}
    probabilities = none if table.space == "probability" else {}
    return Internal(
        info={
            "kind": "predictions",
            "key": key,
            "command": list(command),
            "predictions": str(table.path.absolute()),
            "study": None,
            "models": {},
            "policy": policy.file,
        },
        cases=cases_frame((), None, {}, ()),
        predictions={SCORES_KEY: predictions_frame((), "score", none, probabilities)},
        counts=counts,
    )
