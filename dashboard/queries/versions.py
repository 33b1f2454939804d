"""Two versions on the same cases: who was called differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.charts import Agreement, CasePair
from dashboard.queries.cases import group_columns, levels_of, scored_cases
from dashboard.queries.runs import RunRef

if TYPE_CHECKING:
    import pandas as pd

UNCHANGED_SHOWN = 700
CHANGED_DRAWN = 300
CHANGED_LISTED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Base and candidate with their thresholds; the key of a comparison of calls."""

    ref: RunRef
    output: str
    base: str
    base_threshold: float
    candidate: str
    candidate_threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Changed calls among the cases that both versions scored.

    Attributes:
        n: Cases with a label that both scored.
        n_better: Cases that only the candidate calls correctly.
        n_worse: Cases that only the base calls correctly.
        better: The first of those that got better, the largest change first.
        worse: The first of those that got worse, the largest change first.
        groups: (attribute, level) to (changes for the better, for the worse, cases).
        chart: Both risks of the changed and of a sample of the unchanged cases.
    """

    n: int
    n_better: int
    n_worse: int
    better: tuple[CasePair, ...]
    worse: tuple[CasePair, ...]
    groups: tuple[tuple[str, str, int, int, int], ...]
    chart: Agreement


@st.cache_data(max_entries=16, show_spinner=False)
def flips(sides: Sides, names: tuple[str, str]) -> Flips:
    """Return the changed calls, each version at its own threshold."""
    base = scored_cases(sides.ref, sides.base, sides.output)
    candidate = scored_cases(sides.ref, sides.candidate, sides.output)
    both = base.merge(candidate[["case_id", "risk"]], on="case_id", suffixes=("", "_candidate"))
    both = both[both["label"].notna() & both["risk"].notna() & both["risk_candidate"].notna()]
    old = both["risk"].to_numpy(dtype=np.float64)
    new = both["risk_candidate"].to_numpy(dtype=np.float64)
    label = both["label"].to_numpy(dtype=np.float64) == 1
    right_before = (old >= sides.base_threshold) == label
    right_after = (new >= sides.candidate_threshold) == label
    better, worse = right_after & ~right_before, right_before & ~right_after
    ids = both["case_id"].astype(str).to_numpy()

    def pairs(rows: np.ndarray, change: str) -> tuple[CasePair, ...]:
        return tuple(
            CasePair(case=str(ids[i]), base=float(old[i]), candidate=float(new[i]), change=change)
            for i in rows
        )

    def ranked(mask: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(mask)
        return rows[np.argsort(-np.abs(new - old)[rows], kind="stable")][:CHANGED_LISTED]

    gained, lost = pairs(ranked(better), "better"), pairs(ranked(worse), "worse")
    same = np.flatnonzero(right_before == right_after)
    step = max(1, -(-len(same) // UNCHANGED_SHOWN))
    return Flips(
        n=len(both),
        n_better=int(better.sum()),
        n_worse=int(worse.sum()),
        better=gained,
        worse=lost,
        groups=tuple(_by_level(both, better, worse)),
        chart=Agreement(
            base=names[0],
            candidate=names[1],
            thresholds=(sides.base_threshold, sides.candidate_threshold),
            pairs=(
                *pairs(same[::step], "same"),
                *gained[:CHANGED_DRAWN],
                *lost[:CHANGED_DRAWN],
            ),
            unchanged=len(same),
            better=int(better.sum()),
            worse=int(worse.sum()),
        ),
    )


def _by_level(
    both: pd.DataFrame, better: np.ndarray, worse: np.ndarray
) -> Iterator[tuple[str, str, int, int, int]]:
    for column in group_columns(both):
        values = both[column].astype(str).to_numpy()
        for level in levels_of(both, column):
            at = values == level
            name = column.removeprefix("group__")
            yield name, level, int(better[at].sum()), int(worse[at].sum()), int(at.sum())
