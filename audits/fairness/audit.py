"""The subgroup audit of a run: every output, every group, one confirmatory set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from audits.fairness.applicable import metric_findings
from audits.fairness.between import SECTIONS
from audits.fairness.cells import score_cells
from audits.fairness.families import Family, crossing, everybody, marginal
from audits.fairness.frame import Frame, build_frame
from audits.fairness.measures import measure_family
from audits.fairness.ratios import REST
from audits.fairness.side_by_side import side_by_side
from audits.fairness.subject import Measured, make_subject
from audits.fairness.types import (
    Comparison,
    FairnessResult,
    Grouping,
    OutputResult,
    ScoredOutput,
)
from audits.fairness.verdicts import Draft, judge
from audits.policy import Policy
from audits.types import Finding, Progress, silent

THRESHOLD_MISSING = (
    "No threshold is declared, so rates at a threshold are not available; "
    "declare one in the model, the policy or the command."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One output, measured but not yet judged.

    Attributes:
        output: What was measured.
        overall: The whole cohort.
        families: Every attribute and crossing.
        not_available: Declared or required groups that the data does not have.
        findings: What the reader must know.
    """

    output: ScoredOutput
    overall: Measured
    families: tuple[Measured, ...]
    not_available: tuple[dict[str, str], ...]
    findings: tuple[Finding, ...]


def audit_fairness(
    outputs: Sequence[ScoredOutput], policy: Policy, *, seed: int = 0, progress: Progress = silent
) -> FairnessResult:
    """Audit every output of a run and judge all comparisons together.

    Args:
        outputs: Labels, scores and groups of each output of each model.
        policy: The declaration; it was hashed before any of this is computed.
        seed: Seed of the permutations of the descriptive heterogeneity test.
        progress: Called with the finished share and what is being done.

    Returns:
        One result per output, whose ``to_dict`` is ``outputs`` of the contract.

    Raises:
        AuditError: If an output's arrays do not fit together.

    Example:
        >>> from audits.policy import load_policy
        >>> output = ScoredOutput(name="y", y=np.asarray([0, 1]), score=np.asarray([0.2, 0.9]))
        >>> audit_fairness([output], load_policy(None)).outputs[0].overall.metrics["auroc"].value
        1.0
    """
    pending = []
    for index, output in enumerate(outputs):
        progress(index / max(len(outputs), 1), f"Measuring {output.name} in every group")
        pending.append(_measure(index, output, policy, seed))
    progress(1.0, "Judging every comparison of the run together")
    return audit_pending(pending, policy)


def audit_pending(pending: Sequence[Pending], policy: Policy) -> FairnessResult:
    """Judge all comparisons of all outputs together.

    Args:
        pending: Every output, measured.
        policy: The declaration.
    """
    drafts = [draft for item in pending for family in item.families for draft in family.drafts]
    judged = judge(drafts, policy)
    by_output: list[list[Comparison]] = [[] for _ in pending]
    for draft, comparison in zip(drafts, judged.comparisons, strict=True):
        by_output[draft.output].append(comparison)
    return FairnessResult(
        outputs=tuple(
            _finished(item, comparisons)
            for item, comparisons in zip(pending, by_output, strict=True)
        ),
        tests=judged.tests,
        rejections=judged.rejections,
        alpha=policy.alpha,
    )


def _measure(index: int, output: ScoredOutput, policy: Policy, seed: int) -> Pending:
    frame = build_frame(output)
    whole = everybody(frame)
    cells = score_cells(frame, whole.by_score, whole.code, 1)
    subject = make_subject(index, frame, cells, output.threshold, policy, seed)
    plan, findings = planned_families(output, policy)
    crossed = crossed_names(policy)

    def split(names: tuple[str, ...], *, declared: bool) -> tuple[Measured, list[Finding]]:
        family = _family(frame, output, names, declared=declared)
        reference, found = reference_of(family, policy)
        is_crossed = family.tier == "marginal" and family.names[0] in crossed
        return measure_family(subject, family, reference=reference, crossed=is_crossed), found

    def undivided() -> tuple[Measured, list[Finding]]:
        return measure_family(subject, whole), []

    tasks: list[Callable[[], tuple[Measured, list[Finding]]]] = [undivided]
    tasks += [partial(split, names, declared=declared) for names, declared in plan]
    (overall, _), *found = side_by_side(tasks, frame.n)
    findings += [finding for _, some in found for finding in some]
    return Pending(
        output=output,
        overall=overall,
        families=tuple(measured for measured, _ in found),
        not_available=absent_groups(output, policy),
        findings=tuple(
            findings + _row_findings(frame, output) + metric_findings(frame, output.name, policy)
        ),
    )


def crossed_names(policy: Policy) -> set[str]:
    """Return the attributes that a declared intersection splits further."""
    return {name for names in policy.intersections for name in names}


def families_of(
    frame: Frame, output: ScoredOutput, policy: Policy
) -> tuple[list[Family], list[Finding]]:
    """Return every marginal, every crossing, declared ones first, and what could not be built.

    A crossing that was asked for but that the policy does not declare is exploratory.
    """
    plan, findings = planned_families(output, policy)
    tasks = [partial(_family, frame, output, names, declared=declared) for names, declared in plan]
    return side_by_side(tasks, frame.n), findings


def _family(frame: Frame, output: ScoredOutput, names: Sequence[str], *, declared: bool) -> Family:
    by_name: dict[str, Grouping] = {item.name: item for item in output.attributes}
    if len(names) > 1:
        return crossing(frame, [by_name[name] for name in names], declared=declared)
    return marginal(frame, by_name[names[0]], declared=declared)


def planned_families(
    output: ScoredOutput, policy: Policy
) -> tuple[list[tuple[tuple[str, ...], bool]], list[Finding]]:
    """Return the attributes of every family and whether it is declared, before rows are read."""
    by_name: dict[str, Grouping] = {item.name: item for item in output.attributes}
    order = [name for name in policy.groups if name in by_name]
    order += [name for name in by_name if name not in policy.groups]
    declared = {frozenset(names) for names in policy.intersections}
    asked = [names for names in output.crossings if frozenset(names) not in declared]
    crossings = [*((tuple(names), True) for names in policy.intersections)]
    crossings += [(tuple(names), False) for names in dict.fromkeys(asked)]
    crossed = {name for names, _ in crossings for name in names}
    alone = {*policy.groups, *(output.compared or ())}
    plan: list[tuple[tuple[str, ...], bool]] = [
        ((name,), name in policy.groups)
        for name in order
        if name in alone or name not in crossed or not policy.groups
    ]
    findings = []
    for names, is_declared in crossings:
        absent = [name for name in names if name not in by_name]
        if absent:
            findings.append(
                Finding(
                    severity="warning",
                    where=f"{output.name}: intersection {'×'.join(names)}",
                    message=f"Not audited: the data has no {', '.join(absent)}.",
                )
            )
            continue
        plan.append((names, is_declared))
    return plan, findings


def reference_of(family: Family, policy: Policy) -> tuple[int, list[Finding]]:
    """Return the index of the declared reference group, or ``REST``, and why it is not that."""
    if family.tier != "marginal":
        return REST, []
    (name,) = family.names
    wanted = policy.reference.get(name, "rest")
    levels = [label[name] for label in family.labels]
    if wanted == "rest":
        return REST, []
    if wanted in levels and levels.index(wanted) in family.occupied:
        return levels.index(wanted), []
    return REST, [
        Finding(
            severity="warning",
            where=f"policy: audit.reference.{name}",
            message=f"No case has the declared reference level {wanted!r}; "
            "each level is compared with the rest.",
        )
    ]


def absent_groups(output: ScoredOutput, policy: Policy) -> tuple[dict[str, str], ...]:
    """Return the declared or required groups that the data does not have, with the reason."""
    present = {item.name for item in output.attributes}
    entries = []
    for name in dict.fromkeys((*policy.groups, *policy.required_groups)):
        if name not in present:
            kind = "declared" if name in policy.groups else "required"
            entries.append(
                {
                    "attribute": name,
                    "state": "not_available",
                    "reason": f"{kind} by the policy, but the data has no column of that name",
                }
            )
    return tuple(entries)


def _row_findings(frame: Frame, output: ScoredOutput) -> list[Finding]:
    findings = []
    left_out = len(frame.keep) - frame.n
    if left_out:
        findings.append(
            Finding(
                severity="warning",
                where=output.name,
                message=f"{left_out} of {len(frame.keep)} cases lack {_lacking(output)} "
                "and are left out.",
            )
        )
    if output.threshold is None and not frame.regression and frame.details is None:
        findings.append(
            Finding(
                severity="warning",
                where=output.name,
                message=THRESHOLD_MISSING,
            )
        )
    return findings


def _lacking(output: ScoredOutput) -> str:
    """Return what a row needs to be measured, in words."""
    if output.task == "segmentation":
        return "any measurement"
    words = ["a label or a score"]
    words += ["a time"] if output.task == "survival" else []
    words += ["a weight above 0"] if output.weights is not None else []
    return " or ".join(words)


def _finished(item: Pending, comparisons: Sequence[Comparison]) -> OutputResult:
    output = item.output
    return OutputResult(
        model=output.model,
        name=output.name,
        label_column=output.label_column,
        positive=_plain(output.positive),
        scope=output.scope,
        task=output.task,
        threshold=None if output.threshold is None else float(output.threshold),
        threshold_source=output.threshold_source,
        threshold_chosen_on=output.threshold_chosen_on,
        overall=item.overall.groups[0],
        groups=tuple(group for family in item.families for group in family.groups),
        comparisons=tuple(comparisons),
        heterogeneity=tuple(entry for family in item.families for entry in family.heterogeneity),
        not_available=item.not_available,
        findings=item.findings,
        extras=_extras(item),
    )


def _extras(item: Pending) -> dict[str, list[Mapping[str, Any]]]:
    """Gather the descriptive sections of everybody and of all families."""
    entries = [entry for family in item.families for entry in family.between]
    out: dict[str, list[Mapping[str, Any]]] = {
        name: [entry[name] for entry in entries if name in entry] for name in SECTIONS
    }
    for measured in (item.overall, *item.families):
        for name, rows in measured.sections.items():
            out.setdefault(name, []).extend(rows)
    return out


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


__all__ = ["Draft", "audit_fairness", "families_of"]
