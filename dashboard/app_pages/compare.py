"""Compare versions: what got better, for whom it got worse, and which cases are called anew."""

from __future__ import annotations

import streamlit as st

from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.compare_parts import flips_part, metric_part, paired_part, pick_versions
from dashboard.views.elements import provenance
from dashboard.views.pickers import pick_metric

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
        st.header("Both versions in every group", anchor=False)
        metric = pick_metric(metrics)
        with states.guarded("The groups cannot be drawn"):
            metric_part(versions, metric)
        with states.guarded("Changed calls cannot be shown"):
            flips_part(chosen, versions)
    provenance(chosen.evidence)
