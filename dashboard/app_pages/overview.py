"""Overview: what was audited, what stands out, who is in it, and a new audit."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.evidence import find_output, output_keys
from dashboard.jobs import audit_panel
from dashboard.queries import runs
from dashboard.series import size_rows
from dashboard.settings import read_settings
from dashboard.views import context, states
from dashboard.views.attention import attention_list
from dashboard.views.elements import provenance, show_table
from dashboard.views.entrance import who_part
from dashboard.views.pickers import pick_one
from dashboard.views.run_card import run_card, run_history
from dashboard.words import humanised

left, right = st.columns([1, 1.1], vertical_alignment="bottom")
with left:
    context.header(
        "Overview", "What was audited, for whom, what stands out and what is not known yet."
    )
with right, st.container(horizontal_alignment="right"):
    who_part()
state.read_address()
settings = read_settings()
cards, broken = runs.run_cards(settings)
context.unreadable(broken)

if not cards:
    context.no_runs()
else:
    newest = {(card.study, card.kind): card for card in reversed(cards)}
    with st.grid(min(max(len(newest), 2), 3), min_column_width=340, gap="medium"):
        for card in sorted(newest.values(), key=lambda item: item.created, reverse=True):
            run_card(card)

    st.header("Look closer at one run", anchor=False)
    context.gone(cards)
    left, right = st.columns([1, 1], gap="large")
    with left:
        chosen = context.pick_run(cards)
    with states.guarded("This run cannot be opened"):
        evidence = runs.evidence(chosen.ref)
        with left:
            st.subheader("What needs attention", anchor=False)
            attention_list(evidence, chosen)
        with right:
            outputs = {key.name: key for key in reversed(output_keys(evidence))}
            name = pick_one(
                "Group sizes for", sorted(outputs), key="overview_output", format_func=humanised
            )
            entry = find_output(evidence, outputs[name].model, name)
            if entry:
                show_table(size_rows(entry), alt="Cases, patients and positives of every group")
        provenance(evidence)
        state.write_address()
    if len(cards) > len(newest):
        history = st.expander(f"All runs ({len(cards)})", key="all_runs", on_change="rerun")
        if history.open:
            with history:
                run_history(cards)

audit_panel(settings, cards)
