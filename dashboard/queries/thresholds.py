"""What another threshold would do: estimates on the run's own predictions, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from audits.cohorts import Attribute
from audits.fairness import (
    GroupResult,
    ScoredOutput,
    TableExplorer,
    ThresholdExplorer,
    audit_fairness,
)
from audits.fairness.explore_counts import explorer_of_counts, sample_of_counts
from audits.policy import load_policy
from audits.storage import file_name_of
from dashboard.evidence import find_output
from dashboard.queries import columns
from dashboard.queries.cases import has_risk
from dashboard.queries.runs import RunRef, load_run


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredGroup:
    """One group at the explored threshold; estimates as the contract writes them."""

    attributes: dict[str, str]
    n: int
    metrics: dict[str, dict[str, Any]]


@st.cache_data(max_entries=128, show_spinner=False)
def explored(
    ref: RunRef, model: str | None, output: str, threshold: float
) -> tuple[ExploredGroup, ...]:
    """Return everybody and every marginal group at a threshold.

    At the declared one these are the run's own numbers. Elsewhere they come from counts that are
    made once, at the first move: each further one costs milliseconds at a million cases. Counts
    are exact at every threshold; design effects are those of the nearest of 4,096, of a table that
    was read in portions those of its sampled patients.
    """
    run = load_run(ref)
    entry = find_output(run.exact, model, output) or {}
    if entry.get("threshold", {}).get("value") == threshold:
        held = (entry["overall"], *entry["groups"])
        return tuple(
            ExploredGroup(attributes=g.get("attributes", {}), n=g["n"], metrics=g["metrics"])
            for g in held
            if len(g.get("attributes", {})) <= 1
        )
    task = str(entry.get("task", "binary"))
    if columns.weights(ref) is not None:
        found = _weighted(ref, model, output, threshold, task)
    else:
        there = _explorer(ref, model, output, task).at(threshold)
        found = (there.overall, *there.groups)
    return tuple(
        ExploredGroup(
            attributes=dict(group.attributes),
            n=group.n,
            metrics={name: estimate.to_dict() for name, estimate in group.metrics.items()},
        )
        for group in found
    )


@st.cache_resource(max_entries=4, show_spinner="Counting every group at every risk")
def _explorer(ref: RunRef, model: str | None, output: str, task: str) -> TableExplorer:
    counted = _counted(ref, output)
    if counted.is_file():  # a table that was read in portions has no predictions of single cases
        patients = load_run(ref).exact["study"].get("patients")
        with np.load(counted, allow_pickle=False) as arrays:
            return explorer_of_counts(arrays, named_patients=patients is not None)
    return ThresholdExplorer(_scored(ref, model, output, task))


def explorable(ref: RunRef, model: str | None, output: str) -> bool:
    """Return whether there are risks between 0 and 1 to move a threshold over."""
    counted = _counted(ref, output)
    if not counted.is_file():
        return has_risk(ref, model, output)
    with np.load(counted, allow_pickle=False) as arrays:
        return bool(arrays["bounded"])


def rows_of(ref: RunRef, model: str | None, output: str, task: str) -> ScoredOutput:
    """Return the scored rows of an output, of a table read in portions those of its sample."""
    counted = _counted(ref, output)
    if not counted.is_file():
        return _scored(ref, model, output, task)
    patients = load_run(ref).exact["study"].get("patients")
    with np.load(counted, allow_pickle=False) as arrays:
        return sample_of_counts(arrays, named_patients=patients is not None)


def in_portions(ref: RunRef, output: str) -> bool:
    """Return whether the run's table was read in portions."""
    return _counted(ref, output).is_file()


def _counted(ref: RunRef, output: str) -> Path:
    """Return where a run of a table read in portions keeps its counts."""
    return Path(ref.path) / "internal" / "counts" / f"{file_name_of(output)}.npz"


def _weighted(
    ref: RunRef, model: str | None, output: str, threshold: float, task: str
) -> tuple[GroupResult, ...]:
    """Run the audit's own estimators, because weighted rows are no counts."""
    scored = replace(_scored(ref, model, output, task), threshold=threshold)
    policy = load_policy(None, groups=[a.name for a in scored.attributes], intersections=[])
    audited = audit_fairness([scored], policy).outputs[0]
    return (audited.overall, *(g for g in audited.groups if len(g.attributes) <= 1))


def _scored(ref: RunRef, model: str | None, output: str, task: str) -> ScoredOutput:
    """Rebuild what the audit saw, from the run's own files."""
    found = columns.scored(ref, model, output)
    known = (found.label != columns.MISSING) & ~np.isnan(found.risk)
    patients, weights = columns.patients(ref), columns.weights(ref)
    return ScoredOutput(
        name=output,
        model=model,
        y=found.label[known],
        score=found.risk[known],
        task=task,
        space="probability" if found.has_risk else "value",
        patients=None if patients is None else patients[found.rows][known],
        weights=None if weights is None else weights[found.rows][known],
        attributes=tuple(
            Attribute(
                name=name,
                kind="demographic",
                levels=levels.names,
                codes=levels.codes[known],
                column=name,
            )
            for name, levels in found.groups.items()
        ),
    )
