"""The recording of a case, lead by lead, with the map behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.recording import Recording
from dashboard.queries import explanations, recordings
from dashboard.views.elements import show_chart
from dashboard.words import label, notice

if TYPE_CHECKING:
    from dashboard.queries.cases import CaseFacts
    from dashboard.queries.explanations import Explanation
    from dashboard.views.context import Context


def show_signal(
    chosen: Context, facts: CaseFacts, field: str, model: str, found: Explanation | None
) -> None:
    """Show the recording, with the map where there is one."""
    signal = recordings.case_signal(chosen.ref, facts.case, field)
    relevance = None if found is None else found.patient
    fits = relevance is not None and relevance.shape == signal.values.shape[1:]
    failed = found is not None and explanations.reliability(found.entry) == "fails"
    scale = 1.0
    if found is not None and found.entry.get("map"):
        scale = float(found.entry["map"].get("scale") or 1.0)
    chart = Recording(
        leads=signal.leads,
        values=signal.values,
        rate=signal.rate,
        unit=signal.unit,
        relevance=relevance if fits else None,
        scale=scale,
        failed=failed,
    )
    show_chart(chart, key=f"recording_{model}", download=chosen.may_leave)
    if found is None or not fits:
        st.caption("Recording without a map.")
        return
    cells = found.entry["map"]["native_size"][0]
    told = f"{label('method', found.entry['method'])}, {cells} steps over the model's input. "
    told += "Orange raised the score, blue lowered it; a layer has mixed the leads, so the bands "
    st.caption(f"{told}stand behind all of them. {notice('map')}")
    if failed:
        st.caption("This map fails its check and is drawn grey: do not read it.")
