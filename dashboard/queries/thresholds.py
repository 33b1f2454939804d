"""What another threshold would do: estimates on the run's own predictions, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from audits.cohorts import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy
from dashboard.evidence import find_output
from dashboard.queries.cases import group_columns, has_risk, scored_cases
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
    """Return everybody and every marginal group at another threshold.

    The audit's own estimators run again, so that at the declared threshold the numbers are the
    run's; what they would judge is thrown away.
    """
    scored = replace(_scored(ref, model, output), threshold=threshold)
    policy = load_policy(None, groups=[a.name for a in scored.attributes], intersections=[])
    audited = audit_fairness([scored], policy).outputs[0]
    return tuple(
        ExploredGroup(
            attributes=dict(group.attributes),
            n=group.n,
            metrics={name: estimate.to_dict() for name, estimate in group.metrics.items()},
        )
        for group in (audited.overall, *audited.groups)
        if len(group.attributes) <= 1
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _scored(ref: RunRef, model: str | None, output: str) -> ScoredOutput:
    """Rebuild what the audit saw, from the run's own files."""
    run = load_run(ref)
    entry = find_output(run.evidence, model, output) or {}
    frame = scored_cases(ref, model, output)
    frame = frame[frame["label"].notna() & frame["risk"].notna()]
    patients = None
    if "patient" in run.cases:
        by_case = run.cases.set_index("case_id")["patient"]
        patients = by_case.reindex(frame["case_id"]).to_numpy(dtype=np.int64)
    return ScoredOutput(
        name=output,
        model=model,
        label_column=str(entry["label"]["column"]),
        y=frame["label"].to_numpy(dtype=np.float64).astype(np.int8),
        score=frame["risk"].to_numpy(dtype=np.float64),
        task=str(entry.get("task", "binary")),
        space="probability" if has_risk(ref, model, output) else "value",
        threshold=entry["threshold"]["value"],
        patients=patients,
        attributes=tuple(_attribute(frame[column], column) for column in group_columns(frame)),
        scope=str(entry["scope"]),
    )


def _attribute(values: Any, column: str) -> Attribute:
    coded = values.astype("category")
    name = column.removeprefix("group__")
    return Attribute(
        name=name,
        kind="demographic",
        levels=tuple(str(level) for level in coded.cat.categories),
        codes=coded.cat.codes.to_numpy(dtype=np.int32),
        column=name,
    )
