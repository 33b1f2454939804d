"""Predicted against observed risk, by group."""

from __future__ import annotations

import streamlit as st

from dashboard.evidence import gravest_attribute
from dashboard.views.context import Context
from dashboard.views.elements import show_chart
from dashboard.views.pickers import pick_one
from dashboard.words import humanised


def calibration_part(chosen: Context) -> None:
    """Show predicted against observed risk per group."""
    from dashboard.queries import calibration

    names = list(dict.fromkeys(n for g in chosen.entry["groups"] for n in g["attributes"]))
    if not names:
        st.write("This run has no groups.")
        return
    name = pick_one(
        "Groups by",
        names,
        key="calibration_by",
        default=gravest_attribute(chosen.entry, names),
        format_func=humanised,
        width=320,
    )
    chart = calibration.reliability(chosen.ref, chosen.model, chosen.output.name, name)
    if chart is None:
        st.write("Calibration needs predicted risks between 0 and 1; this output has none.")
        return
    basis = (chosen.entry.get("reliability") or {}).get("sample")
    if basis:
        st.caption(
            f"Made on a sample of {basis['patients']:,} of {basis['of_patients']:,} patients, "
            f"{basis['chosen']}: the table was read in portions."
        )
    show_chart(chart, key=f"calibration_{name}", download=chosen.may_leave)
