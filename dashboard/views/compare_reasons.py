"""The same call for another reason: how far two versions' explanations are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.charts import Forest, ForestRow
from dashboard.evidence import group_label
from dashboard.views.compare_parts import Versions, held_by, side_by_side
from dashboard.views.context import Context
from dashboard.views.elements import show_chart
from dashboard.words import word

UNSETTLED = {
    "inconclusive": "The distance is neither clearly beyond the noise nor within it.",
    "not_evaluable": "Too few cases, or nothing was run again to know the noise.",
}
"""What a verdict on groups means otherwise when it is one on reasons."""

NOISE = {"rerun": "One version, run again", "reseeded": "Trained with another seed"}


def reasons_part(chosen: Context, versions: Versions) -> None:
    """Show the run's explanation drift beside its noise, and the cases that moved most."""
    held = chosen.evidence.get("comparison") or {}
    drift = held.get("explanation_drift")
    if not drift or not held_by(held, versions):
        st.caption(
            "This run does not compare these versions' explanations. "
            "`auscult compare --study DIR --base DIR --candidate DIR --out RUN` does."
        )
        return
    found = next((o for o in drift["outputs"] if o["name"] == chosen.output.name), None)
    if found is None:
        st.write(f"Nothing to compare: {drift.get('reason')}.")
        return
    verdict = word("verdict", found["verdict"])
    said = UNSETTLED.get(found["verdict"], verdict.definition)
    st.markdown(f"{verdict.badge} {said} {word('term', 'drift').definition}")
    if found["distance"]["value"] is None:
        st.write(f"Not compared: {found.get('reason') or found['distance'].get('reason')}.")
        return
    if drift.get("of_cases"):
        st.caption(f"{numbers.of(drift['cases'], drift['of_cases'])} cases: {drift['sample']}.")
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        st.caption(
            "Distance of explanations with 95 % intervals: 0 the same reasons, 1 none shared. The "
            "line is how far apart explanations are without a change, at most."
        )
        show_chart(_forest(found), key="drift", download=chosen.may_leave)
        few = sum(one["distance"]["value"] is None for one in found["groups"])
        if few:
            st.caption(f"{few} groups with fewer than 5 explained cases are left out.")
        beyond = found["beyond_noise"]
        if beyond["k"] is not None:
            st.caption(
                f"{numbers.of(beyond['k'], beyond['n'])} cases are further apart than anything "
                "that did not change."
            )
    with right:
        st.markdown("**Cases that moved most, those with the same call first**")
        for one in found["moved_most"]:
            call = {True: "same call", False: "other call", None: "no call"}[one["same_call"]]
            side_by_side(
                chosen,
                versions,
                one["case"],
                f"{one['case']}: apart by {one['distance']:.2f}, {call} "
                f"({one['base']:.2f} to {one['candidate']:.2f})",
            )


def _forest(found: Mapping[str, Any]) -> Forest:
    rows = [_row("Everybody", found["distance"])]
    rows += [_row(NOISE[kind], estimate) for kind, estimate in found["noise"].items()]
    rows += [
        _row(group_label(one["attributes"]), one["distance"])
        for one in found["groups"]
        if one["distance"]["value"] is not None
    ]
    return Forest(
        metric="Distance of explanations (0 the same reasons, 1 none shared)",
        unit="number",
        overall=(found["noise"].get(found["against"]) or {}).get("high"),
        line="noise",
        graded=False,
        rows=tuple(rows),
    )


def _row(name: str, estimate: Mapping[str, Any]) -> ForestRow:
    shown = numbers.with_interval(estimate)
    return ForestRow(
        label=name,
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        text=f"{shown}, n {estimate.get('n')}",
    )
