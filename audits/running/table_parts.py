"""What a run of a table of scores holds beside its statistics, and what of it stays on site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.cohorts import Attribute, CohortTable, GroupSpec
from audits.cohorts.groups import read_attribute
from audits.fairness import FairnessResult
from audits.policy import Policy
from audits.reporting import AuditParts, library_versions
from audits.running import quality
from audits.running.requirements import requirements_of
from audits.running.table_outputs import SEGMENTATION, compared_attributes
from audits.running.unused import undeclared_intersections, unused_settings
from audits.running.writing import SCORES_KEY, Internal, new_run_id, now, stamp
from audits.types import Finding

if TYPE_CHECKING:
    import pandas as pd


def parts_of(  # noqa: PLR0913 - everything the evidence holds
    table: CohortTable,
    policy: Policy,
    result: FairnessResult,
    *,
    seed: int,
    prior_runs: Sequence[Mapping[str, Any]] = (),
    findings: Sequence[Finding] = (),
    declared_at: datetime | None = None,
) -> AuditParts:
    """Return the parts of the evidence of a table of scores.

    Args:
        table: The opened table.
        policy: The policy it was audited under.
        result: The statistics.
        seed: Seed of the run.
        prior_runs: Earlier runs of the same table.
        findings: What the reader must know beside what table and policy say.
        declared_at: When the policy was read, before any result; default now.
    """
    moment = declared_at or now()
    attributes = compared_attributes(table)
    return AuditParts(
        run={
            "id": new_run_id(moment),
            "created": stamp(moment),
            "seed": seed,
            "versions": library_versions(models=False),
            "device": "cpu",
        },
        declaration={"policy_sha256": policy.sha256, "time": stamp(moment), "by": policy.by},
        policy=policy.to_dict(),
        study={
            "name": table.name,
            "version": table.version,
            "sha256": table.sha256,
            "cases": len(table.case_ids),
            "patients": table.n_patients,
            "scope": table.scope,
        },
        prior_runs=prior_runs,
        skipped=table.skipped,
        outputs=result.to_dict(),
        data_quality=_quality(table, attributes),
        requirements=requirements_of(policy, [a.name for a in attributes], ()),
        findings=[
            *table.findings,
            *policy.findings,
            *unused_settings(policy, [s.name for s in table.scores], [a.name for a in attributes]),
            *undeclared_intersections(table.intersections, policy),
            *findings,
        ],
    )


def internal_of(
    table: CohortTable, source: Path | str, key: str, command: Sequence[str], policy: Policy
) -> Internal:
    """Return what of a table's run stays on site."""
    return Internal(
        info={
            "kind": "predictions",
            "key": key,
            "command": list(command),
            "predictions": str(Path(source).absolute()),
            "study": None,
            "models": {},
            "policy": policy.file,
            "space": table.space,
        },
        cases=_cases(table),
        predictions={SCORES_KEY: _predictions(table)},
    )


def _site(table: CohortTable) -> list[Attribute]:
    """Return the site of every case, where the command names its column."""
    name = table.task_names.site
    if name is None:
        return []
    return [read_attribute(GroupSpec(name=name, column=name, kind="site"), table.cases, table.name)]


def _quality(table: CohortTable, attributes: Sequence[Attribute]) -> dict[str, Any]:
    acquired = table.task_names.acquired
    return {
        "missing": quality.missing_values(table.cases, map(str, table.cases.columns)),
        "repeated_patients": quality.repeated_patients(table.patients),
        "doubled_rows": quality.doubled_rows(table.cases, list(map(str, table.cases.columns))),
        "code_systems": quality.code_systems(table.cases, (), ids=table.id_columns),
        "prevalence": quality.prevalence(table.labels, [*attributes, *_site(table)]),
        "prevalence_by_month": quality.prevalence_by_month(
            None if acquired is None else table.cases[acquired], table.labels
        ),
    }


def _cases(table: CohortTable) -> pd.DataFrame:
    from audits.running.frames import cases_frame

    time, image = table.task_columns.time, table.task_names.image
    return cases_frame(
        table.case_ids,
        table.patients,
        table.labels,
        compared_attributes(table),
        table.task_columns.weight,
        times=None if time is None else dict.fromkeys(table.labels, time),
        images=None if image is None else table.cases[image].astype(str).tolist(),
    )


def _predictions(table: CohortTable) -> pd.DataFrame:
    from audits.running.frames import predictions_frame

    scores = {s.name: s.values for s in table.scores}  # noqa: PD011 - plain arrays
    # A risk by a horizon is none of the label itself: nobody may draw its calibration from it.
    timed = table.task_names.time is not None
    probabilities = scores if table.space == "probability" and not timed else {}
    frame = predictions_frame(table.case_ids, "score", scores, probabilities)
    measured = table.task_columns.measures.items()
    return frame.assign(**{f"{metric}__{SEGMENTATION}": values for metric, values in measured})
