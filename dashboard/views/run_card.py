"""A run at a glance: who, with what, and how the verdicts fell."""

from __future__ import annotations

import streamlit as st

from dashboard import numbers
from dashboard.evidence import model_label
from dashboard.queries.runs import RunCard
from dashboard.views.elements import show_frame, verdict_line
from dashboard.words import humanised

PAGES = (
    ("Review cases", "app_pages/case_review.py"),
    ("Bias audit", "app_pages/bias_audit.py"),
    ("Compare versions", "app_pages/compare.py"),
    ("Reports", "app_pages/reports.py"),
)


def run_card(card: RunCard) -> None:
    """Show one run as a card with links into it."""
    with st.container(border=True):
        compared = card.kind == "comparison"
        kind = ", versions compared" if compared else ""
        st.header(f"{humanised(card.study)}{kind}", anchor=False)
        patients = f", {card.patients:,} patients" if card.patients else ""
        cases = f"{card.cases:,}" if card.cases is not None else numbers.SUPPRESSED
        st.markdown(f"**{cases} cases**{patients}")
        st.caption(f"{_models(card)} · {numbers.day(card.created)} · policy: {card.policy}")
        st.markdown(verdict_line(card.verdicts, card.confirmed))
        if card.skipped:
            st.caption(f"{numbers.counted(card.skipped, 'case')} could not be used, see Reports.")
        with st.container(horizontal=True):
            for text, page in PAGES:
                two = compared or len(card.models) > 1
                if page == "app_pages/compare.py" and not two:
                    continue
                st.page_link(page, label=text, query_params={"run": card.id}, width="content")


def run_history(cards: list[RunCard]) -> None:
    """Show every run of the store as a table."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "Run": [card.id for card in cards],
            "Made": [numbers.day(card.created) for card in cards],
            "Study": [humanised(card.study) for card in cards],
            "Models": [_models(card) for card in cards],
            "Cases": [card.cases for card in cards],
            "Disparities": [card.verdicts["disparity"] for card in cards],
            "Inconclusive": [card.verdicts["inconclusive"] for card in cards],
            "Folder": [card.ref.path for card in cards],
        }
    )
    show_frame(frame, key="run_history", alt="Every run of this store, newest first")


def _models(card: RunCard) -> str:
    return "; ".join(model_label(key) for key in card.models) or "table of predictions"
