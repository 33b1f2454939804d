"""Reports: what may leave, what it states and what it lacks, and whether anything was altered."""

from __future__ import annotations

import streamlit as st

from dashboard.views import context, states
from dashboard.views.elements import provenance
from dashboard.views.report_parts import (
    download_part,
    model_part,
    requirement_part,
    skipped_part,
    verify_part,
)

chosen = context.pick(
    "Reports",
    "What do I file, what does it still lack, and is it unaltered?",
    with_output=False,
    with_model=False,
)
if chosen:
    left, right = st.columns([1, 1], gap="large")
    with left:
        with states.guarded("The exports cannot be offered"):
            download_part(chosen)
        with states.guarded("The run cannot be verified"):
            verify_part(chosen)
        with states.guarded("The models cannot be described"):
            model_part(chosen)
    with right:
        with states.guarded("The requirements cannot be listed"):
            requirement_part(chosen)
        with states.guarded("The skipped cases cannot be listed"):
            skipped_part(chosen)
    provenance(chosen.evidence)
