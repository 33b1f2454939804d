"""The recording of a case, lead by lead, with the map behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.recording import Recording
from dashboard.queries import explanations, recordings
from dashboard.queries.maps import legend
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
    told = None
    if found is not None and found.entry.get("map"):
        told = legend(chosen.ref, model, found.entry)
    chart = Recording(
        leads=signal.leads,
        values=signal.values,
        rate=signal.rate,
        unit=signal.unit,
        relevance=relevance if fits else None,
        scale=told.scale if told else 1.0,
        failed=failed,
    )
    show_chart(chart, key=f"recording_{model}", download=chosen.may_leave)
    if found is None or told is None or not fits:
        st.caption("Recording without a map.")
        return
    cells = found.entry["map"]["native_size"][0]
    st.caption(
        f"{label('method', found.entry['method'])}, {cells} steps over the model's input. Orange: "
        f"{told.high}; blue: {told.low}; full colour at ±{told.scale:.2g} {told.unit} "
        f"({told.holds_for}). The map has one value per moment, so the bands stand behind all "
        f"leads. {notice('map')}"
    )
    for finding in found.entry.get("findings") or []:
        st.caption(finding["message"])
    if failed:
        st.caption("This map fails its check and is drawn grey: do not read it.")
