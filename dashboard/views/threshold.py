"""The threshold slider: live intervals per group, exploratory, without a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import numbers, state
from dashboard.charts import Forest, ForestRow
from dashboard.components.range_slider import range_slider
from dashboard.evidence import group_label
from dashboard.queries import thresholds
from dashboard.queries.thresholds import ExploredGroup
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.views.declare import declare_button
from dashboard.views.elements import show_live, show_table
from dashboard.words import label, notice, word

SHOWN = ("tpr", "fpr", "ppv", "selection_rate")


def threshold_explorer(chosen: Context) -> None:
    """Show the slider and what each group would see at its threshold."""
    declared = chosen.entry["threshold"]["value"]
    if not thresholds.explorable(chosen.ref, chosen.model, chosen.output.name):
        st.write("The slider needs predicted risks between 0 and 1; this output has none.")
        return
    _explore(chosen, 0.5 if declared is None else float(declared))


@st.fragment
def _explore(chosen: Context, start: float) -> None:
    """Draw slider and groups; a moved slider draws these again and nothing else of the page.

    The rest of the page says nothing of the explored threshold: the verdicts, which it greys, are
    drawn by the run of the page that opens them.
    """
    with states.guarded("Another threshold: this part cannot be shown"):
        value = _slider(chosen, start)
        _groups(chosen, value)


def _slider(chosen: Context, start: float) -> float:
    """Show the slider, and what moving it means; return where it stands."""
    key = f"explored_{chosen.subject}"
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        value = range_slider("Threshold on the predicted risk", start=start, step=0.005, key=key)
    with right:
        st.button(
            "Back to the declared one",
            on_click=state.set_widget,
            args=(key, start),
            disabled=value == start,
            key="threshold_back",
        )
    exploring = abs(value - start) > 1e-9  # noqa: PLR2004 - one step of the slider is larger
    state.mark_exploring(chosen.subject, value if exploring else None)
    if exploring:
        st.caption(f":gray-badge[– Exploratory] {notice('exploratory')}{_basis(chosen)}")
        if declare_button(f"Declare {value:.3f} for a new audit", key="declare_explored"):
            st.rerun()  # the form lies outside of what is drawn again here
    return value


def _basis(chosen: Context) -> str:
    """Return what the intervals of a table that was read in portions rest on."""
    if not thresholds.in_portions(chosen.ref, chosen.output.name):
        return ""
    return (
        " Counts are those of every case; how alike a patient's cases are, hence how wide the "
        "intervals, comes from a sample of patients."
    )


def _groups(chosen: Context, value: float) -> None:
    """Show every group at a threshold."""
    groups = thresholds.explored(chosen.ref, chosen.model, chosen.output.name, value)
    metric = st.segmented_control(
        "Measure at this threshold",
        [name for name in SHOWN if name in groups[0].metrics],
        default="tpr",
        format_func=lambda name: label("metric", name),
        required=True,
        key="explored_metric",
        persist_state="session",
    )
    show_live(_forest(groups, metric or "tpr"), key="explored_chart", download=chosen.may_leave)
    every = st.expander("All measures at this threshold", key="explored_all", on_change="rerun")
    if every.open:  # a closed table would be drawn anew with every move of the slider
        with every:
            rows = [_row(group) for group in groups]
            show_table(rows, alt="Every measure at the explored threshold")


def _forest(groups: Sequence[ExploredGroup], metric: str) -> Forest:
    everybody = next((g for g in groups if not g.attributes), None)
    overall = everybody.metrics[metric].get("value") if everybody else None
    return Forest(
        metric=label("metric", metric),
        unit=word("metric", metric).unit,
        overall=overall,
        graded=False,
        rows=tuple(
            ForestRow(
                label=group_label(group.attributes),
                value=group.metrics[metric].get("value"),
                low=group.metrics[metric].get("low"),
                high=group.metrics[metric].get("high"),
                text=numbers.full(group.metrics[metric], metric),
            )
            for group in groups
            if len(group.attributes) <= 1
        ),
    )


def _row(group: ExploredGroup) -> dict[str, str]:
    row = {"Group": group_label(group.attributes), "Cases": numbers.count(group.n)}
    for metric in SHOWN:
        if metric in group.metrics:
            row[label("metric", metric)] = numbers.full(group.metrics[metric], metric)
    return row
