"""Two versions on the same cases: who was called differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard.charts import Agreement, CasePair
from dashboard.queries.cases import risks_of_other
from dashboard.queries.columns import MISSING, Scored, case_ids, scored
from dashboard.queries.runs import RunRef

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
        better: The first of those that got better: newly found first, then the largest change.
        worse: The first of those that got worse: newly missed first, then the largest change.
        groups: Attribute, level, changes for the better, for the worse, cases, newly missed, newly
            found.
        chart: Both risks of the changed and of a sample of the unchanged cases.
    """

    n: int
    n_better: int
    n_worse: int
    better: tuple[CasePair, ...]
    worse: tuple[CasePair, ...]
    groups: tuple[tuple[str, str, int, int, int, int, int], ...]
    chart: Agreement


@st.cache_data(max_entries=16, show_spinner=False)
def flips(sides: Sides, names: tuple[str, str]) -> Flips:
    """Return the changed calls, each version at its own threshold."""
    base = scored(sides.ref, sides.base, sides.output)
    candidate = scored(sides.ref, sides.candidate, sides.output)
    old, new = base.risk, risks_of_other(base, candidate)
    both = (base.label != MISSING) & ~np.isnan(old) & ~np.isnan(new)
    label = base.label == 1
    right_before = (old >= sides.base_threshold) == label
    right_after = (new >= sides.candidate_threshold) == label
    better, worse = both & right_after & ~right_before, both & right_before & ~right_after

    def pairs(places: np.ndarray, change: str) -> tuple[CasePair, ...]:
        ids = case_ids(sides.ref, base.rows[places])
        return tuple(
            CasePair(
                case=case,
                base=float(old[i]),
                candidate=float(new[i]),
                change=change,
                positive=bool(label[i]),
            )
            for i, case in zip(places, ids, strict=True)
        )

    def ranked(mask: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(mask)
        # A missed case weighs more than a needless alarm, whatever the risks say.
        order = np.lexsort((-np.abs(new - old)[places], ~label[places]))
        return places[order][:CHANGED_LISTED]

    gained, lost = pairs(ranked(better), "better"), pairs(ranked(worse), "worse")
    same = np.flatnonzero(both & (right_before == right_after))
    step = max(1, -(-len(same) // UNCHANGED_SHOWN))
    return Flips(
        n=int(both.sum()),
        n_better=int(better.sum()),
        n_worse=int(worse.sum()),
        better=gained,
        worse=lost,
        groups=tuple(_by_level(base, both, better, worse, label)),
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
    base: Scored, both: np.ndarray, better: np.ndarray, worse: np.ndarray, label: np.ndarray
) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    for name, levels in base.groups.items():
        for code, level in enumerate(levels.names):
            at = levels.codes == code
            if (at & both).any():
                yield (
                    name,
                    level,
                    int((better & at).sum()),
                    int((worse & at).sum()),
                    int((both & at).sum()),
                    int((worse & label & at).sum()),
                    int((better & label & at).sum()),
                )
