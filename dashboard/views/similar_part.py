"""Similar patients and what happened to them, both ways side by side."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import numbers, state
from dashboard.queries import similar
from dashboard.queries.cases import CaseFacts, outcome
from dashboard.queries.similar import Like, SimilarCases
from dashboard.views.context import Context
from dashboard.words import word

TOLD_BY = {
    "effects": "Alike in the variables that moved this patient's score, each weighted by the size "
    "of its effect.",
    "scores": "Alike in the model's own scores of every finding, because what moved this score is "
    "no column of the study's table.",
}


def similar_part(chosen: Context, facts: CaseFacts) -> None:
    """Show the nearest patients that had the condition beside the nearest that did not."""
    if chosen.model is None:
        st.write("Without the model's folder nothing tells which patients are alike.")
        return
    found = similar.similar_cases(chosen.ref, chosen.model, chosen.output.name, facts.case)
    if found is None:
        st.write("This run has no other patient to compare with, or too many to search.")
        return
    st.markdown(
        f"**{found.k} of the {found.n} most similar other cases had the condition** "
        f"({100 * found.low:.0f} to {100 * found.high:.0f} %, 95 % interval)."
    )
    st.caption(
        f"{TOLD_BY[found.by]} Distance 1 is that of a typical patient. What happened to them is "
        "no prediction for this one."
    )
    _both_ways(chosen, found)


def _both_ways(chosen: Context, found: SimilarCases) -> None:
    threshold = chosen.entry["threshold"]["value"]
    columns = st.columns(2, gap="medium")
    for column, title, side in zip(
        columns,
        ("Nearest that had the condition", "Nearest that did not"),
        (found.with_condition, found.without),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            if not side:
                st.caption("None among the audited cases.")
            _likes(side, threshold)


def _likes(side: Sequence[Like], threshold: float | None) -> None:
    for like in side:
        call = outcome(like.label, like.risk, threshold)
        told = word("outcome", call) if call else None
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Open {like.case}",
                key=f"like_{like.case}",
                on_click=state.choose,
                args=(state.CASE, like.case),
                type="tertiary",
                icon=":material/arrow_forward:",
            )
            shown = f"predicted {numbers.number(like.risk, 'percent')}"
            if told:
                shown += f", {told.symbol} {told.label.lower()}"
            st.caption(f"{shown}, distance {like.closeness:.2f}")
