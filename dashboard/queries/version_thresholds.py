"""Two versions at other thresholds: what would change for whom, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from audits.cohorts import Attribute
from audits.comparison import Layout, LayoutMaker, Pair, PairedComparison
from dashboard.queries.cases import risks_of_other
from dashboard.queries.columns import Scored, patients, scored
from dashboard.queries.runs import RunRef
from dashboard.queries.versions import Sides

EXPLORED = ("tpr", "fpr", "ppv", "selection_rate", "accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredChange:
    """One group's change of a metric at explored thresholds; an ESTIMATE as the contract writes it.

    Attributes:
        attributes: The group; empty for everybody.
        n: Its cases.
        delta: Candidate minus base.
        newly_missed: Cases with the condition that only the base finds.
        newly_found: Cases with the condition that only the candidate finds.
    """

    attributes: dict[str, str]
    n: int
    delta: dict[str, Any]
    newly_missed: int
    newly_found: int


@st.cache_data(max_entries=64, show_spinner=False)
def explored_changes(sides: Sides, metric: str) -> tuple[ExploredChange, ...]:
    """Return a metric's change for everybody and every group, each version at its own threshold.

    Rows, groups and patients are put in order once a pair of versions; a threshold then costs one
    pass that counts eight cells a group.
    """
    pair, layout = _paired(sides.ref, sides.output, sides.base, sides.candidate)
    moved = replace(
        pair,
        base_threshold=sides.base_threshold,
        candidate_threshold=sides.candidate_threshold,
    )
    paired = PairedComparison(moved, layout, metrics=(metric,), tests=False)
    out = []
    for split in layout.splits:
        found = paired.measure(split)
        for at, label in enumerate(split.labels):
            cells = found.cells[at]
            out.append(
                ExploredChange(
                    attributes=dict(label),
                    n=int(split.counts[at]),
                    delta=found.changes[metric][at].delta.to_dict(),
                    newly_missed=round(float(cells[6])),
                    newly_found=round(float(cells[5])),
                )
            )
    return tuple(out)


@st.cache_resource(max_entries=4, show_spinner=False)
def _paired(ref: RunRef, output: str, base: str, candidate: str) -> tuple[Pair, Layout]:
    """Return both versions on the cases with a label that both scored, in order."""
    first, second = scored(ref, base, output), scored(ref, candidate, output)
    other = risks_of_other(first, second)
    rows = np.flatnonzero((first.label >= 0) & np.isfinite(first.risk) & np.isfinite(other))
    pair = Pair(
        y=first.label[rows],
        base=first.risk[rows],
        candidate=other[rows],
        base_threshold=None,
        candidate_threshold=None,
        probabilities=first.has_risk and second.has_risk,
    )
    codes = patients(ref)
    whose = None if codes is None else codes[first.rows[rows]]
    attributes = [_attribute(name, first, rows) for name in first.groups]
    return pair, LayoutMaker(list(first.groups), []).layout(len(rows), whose, attributes)


def _attribute(name: str, found: Scored, rows: Any) -> Attribute:
    levels = found.groups[name]
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=levels.names,
        codes=levels.codes[rows],
    )
