"""Whether a model's maps can be read: what their checks say, and whether they meet the findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.evidence import group_label
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import word

METRICS = {
    "pointing_game": "Peak inside the finding",
    "iou": "Overlap (IoU)",
    "mass_share": "Share of the map inside",
    "area_share": "Share of the area inside",
}


def maps_part(chosen: Context) -> None:
    """Show the checks of the chosen output's explanations, and where its maps lie, by group."""
    summary = (chosen.evidence.get("explanations") or {}).get(chosen.model or "") or {}
    checks = [one for one in summary.get("checks", []) if one["output"] == chosen.output.name]
    if not checks:
        st.write("This run explained no case of this output.")
        return
    method = word("method", summary["method"])
    st.caption(
        f"{method.label}, over {numbers.counted(summary['cases'], 'explained case')}, of which a "
        "drawn few are tested. A check that passes says nothing about whether the model is right."
    )
    show_table([_check_row(one) for one in checks], alt="Checks of this output's explanations")
    if any(one["verdict"] == "fails" and one.get("decides", True) for one in checks):
        st.markdown(
            f":red-badge[✕ Do not read these maps] {method.label} does not follow this output of "
            "the model closely enough. It is the method that fails here, not the model: another "
            "one may follow it, for example `auscult explain --method occlusion`."
        )
    found = [one for one in summary.get("localisation", []) if one["output"] == chosen.output.name]
    for one in found:
        _localisation(one)


def _check_row(one: Mapping[str, Any]) -> dict[str, str]:
    name = word("check_name", one["name"])
    return {
        "Check": name.label,
        "Outcome": word("check", one["verdict"]).badge,
        "Cases that pass": _passing(one),
        "Decides": "yes" if one.get("decides", True) else f"no: {one.get('reason', 'it informs')}",
        "Meaning": name.definition,
    }


def _passing(one: Mapping[str, Any]) -> str:
    if one.get("share"):
        return numbers.with_interval(one["share"], "percent")
    return "–" if one["verdict"] == "not_checked" else "one test of the model"


def _localisation(found: Mapping[str, Any]) -> None:
    st.subheader("Do the maps lie on the finding?", anchor=False)
    st.caption(
        "Against the study's own masks or boxes, in cases that have the finding; intervals "
        "resample patients. A map spread evenly has as large a share inside as the finding has of "
        "the area. Overlap and peak can disagree."
    )
    rows = [_row("Everybody", found["overall"])]
    rows += [_row(group_label(one["attributes"]), one["metrics"]) for one in found["groups"]]
    show_table(rows, alt="Maps against the study's masks, overall and by group")


def _row(name: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    units = {"iou": "number"}
    return {
        "Group": name,
        "Cases": numbers.count(metrics["iou"].get("n")),
        **{
            label: numbers.with_interval(metrics[key], units.get(key, "percent"))
            for key, label in METRICS.items()
        },
    }
