"""Compare versions: what got better, for whom it got worse, and which cases are called anew."""

from __future__ import annotations

import streamlit as st

from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.compare_gate import gate_part
from dashboard.views.compare_history import history_part
from dashboard.views.compare_parts import (
    Versions,
    flips_part,
    metric_part,
    paired_part,
    pick_versions,
)
from dashboard.views.compare_reasons import reasons_part
from dashboard.views.compare_thresholds import thresholds_part
from dashboard.views.context import Context
from dashboard.views.elements import provenance
from dashboard.views.pickers import pick_metric
from dashboard.views.sections import section

SECTIONS = {
    "paired": "Paired differences",
    "groups": "Both versions in every group",
    "flips": "Changed calls",
    "thresholds": "Other thresholds",
    "reasons": "Explanations",
    "gate": "Gate preview",
    "history": "History",
}


def _sections(chosen: Context) -> dict[str, str]:
    """Return the parts; a run without paired statistics opens with what it does hold."""
    if chosen.evidence.get("comparison"):
        return SECTIONS
    return {name: SECTIONS[name] for name in sorted(SECTIONS, key=lambda name: name == "paired")}


def _groups(_: Context, versions: Versions) -> None:
    held = versions.candidate_entry["overall"]["metrics"]
    metric = pick_metric([m for m in metrics_of(versions.base_entry) if m in held])
    metric_part(versions, metric)


def _gate(chosen: Context, _: Versions) -> None:
    gate_part(chosen)


def _history(chosen: Context, _: Versions) -> None:
    history_part(chosen)


PARTS = {
    "paired": paired_part,
    "groups": _groups,
    "flips": flips_part,
    "thresholds": thresholds_part,
    "reasons": reasons_part,
    "gate": _gate,
    "history": _history,
}

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
        st.header("History", anchor=False)
        with states.guarded("The history cannot be shown"):
            history_part(chosen)
    else:
        with (
            section(_sections(chosen)) as part,
            states.guarded(f"{SECTIONS[part]}: this part cannot be shown"),
        ):
            PARTS[part](chosen, versions)
    provenance(chosen.evidence)
