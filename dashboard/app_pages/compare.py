"""Compare versions: what got better, for whom it got worse, and which cases are called anew."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.compare_parts import flips_part, metric_part, paired_part, pick_versions
from dashboard.views.elements import provenance
from dashboard.words import label

chosen = context.pick(
    "Compare versions",
    "What got better, and for whom did it get worse?",
    with_model=False,
)
if chosen:
    versions = pick_versions(chosen)
    if versions is None:
        states.empty(
            "One version only",
            "Only one model of this run gives this outcome. Audit two versions of a model on the "
            "same study to compare them.",
            "auscult audit --study DIR --model DIR/1.0 --model DIR/2.0 --out runs/both",
        )
    else:
        with states.guarded("The paired statistics cannot be shown"):
            paired_part(chosen, versions)
        metrics = [
            m
            for m in metrics_of(versions.base_entry)
            if m in versions.candidate_entry["overall"]["metrics"]
        ]
        state.keep_valid(state.METRIC, metrics, metrics[0])
        st.header("Both versions in every group", anchor=False)
        metric = st.selectbox(
            "Measure",
            metrics,
            format_func=lambda name: label("metric", name),
            key=state.METRIC,
            persist_state="session",
            width=320,
        )
        with states.guarded("The groups cannot be drawn"):
            metric_part(versions, metric)
        with states.guarded("Changed calls cannot be shown"):
            flips_part(chosen, versions)
    provenance(chosen.evidence)
