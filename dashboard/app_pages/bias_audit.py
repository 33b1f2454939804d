"""Bias audit: what was declared, who is in it, the verdicts, and what a threshold would change."""

from __future__ import annotations

import streamlit as st

from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.audit_parts import (
    calibration_part,
    declaration_part,
    forest_part,
    importance_part,
    map_part,
    shortcut_part,
    size_part,
    slice_part,
    threshold_part,
    verdict_part,
)
from dashboard.views.elements import provenance
from dashboard.views.pickers import pick_metric

chosen = context.pick(
    "Bias audit",
    "Does this model serve every group, and what can the data not tell yet?",
)
if chosen:
    declaration_part(chosen)
    with states.guarded("The group sizes cannot be shown"):
        size_part(chosen)
    metrics = metrics_of(chosen.entry)
    st.header("Verdicts", anchor=False)
    with states.guarded("The verdicts cannot be shown"):
        verdict_part(chosen)
    st.header("Group by group", anchor=False)
    metric = pick_metric(metrics)
    with states.guarded("The groups cannot be drawn"):
        forest_part(chosen, metric)
    with states.guarded("The crossed groups cannot be drawn"):
        map_part(chosen, metric)
    with states.guarded("The shortcut audit cannot be shown"):
        shortcut_part(chosen)
    with states.guarded("The slices cannot be shown"):
        slice_part(chosen)
    with states.guarded("The explanations cannot be summed up"):
        importance_part(chosen)
    with states.guarded("Calibration cannot be drawn"):
        calibration_part(chosen)
    with states.guarded("The threshold cannot be explored"):
        threshold_part(chosen)
    provenance(chosen.evidence)
