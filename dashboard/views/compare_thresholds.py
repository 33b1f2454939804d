"""Two versions at other thresholds: sliders, and who would gain or lose by them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import numbers, state
from dashboard.charts import Forest, ForestRow
from dashboard.components.range_slider import range_slider
from dashboard.evidence import group_label, model_label
from dashboard.queries import version_thresholds as queries
from dashboard.queries.version_thresholds import ExploredChange
from dashboard.queries.versions import Sides
from dashboard.views import states
from dashboard.views.compare_parts import Versions
from dashboard.views.context import Context
from dashboard.views.elements import show_live, show_table
from dashboard.words import label, notice


def thresholds_part(chosen: Context, versions: Versions) -> None:
    """Show one slider a version and the paired changes at their places."""
    before = versions.base_entry["threshold"]["value"]
    after = versions.candidate_entry["threshold"]["value"]
    if before is None or after is None:
        st.write("A version has no threshold, so there is nothing to move.")
        return
    _explore(chosen, versions, float(before), float(after))


@st.fragment
def _explore(chosen: Context, versions: Versions, before: float, after: float) -> None:
    """Draw sliders and changes; a moved slider draws these again and nothing else of the page."""
    with states.guarded("Other thresholds: this part cannot be shown"):
        _sliders_and_changes(chosen, versions, before, after)


def _sliders_and_changes(chosen: Context, versions: Versions, before: float, after: float) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        first = _slider(chosen, versions.base, before)
    with right:
        second = _slider(chosen, versions.candidate, after)
    moved = abs(first - before) > _STEP / 2 or abs(second - after) > _STEP / 2
    if moved:
        st.caption(f":gray-badge[– Exploratory] {notice('exploratory')}")
    else:
        st.caption("At the declared thresholds. Move one to see who would gain or lose by it.")
    metric = (
        st.segmented_control(
            "Change of",
            queries.EXPLORED,
            default="tpr",
            format_func=lambda name: label("metric", name),
            required=True,
            key="explored_change_metric",
            persist_state="session",
        )
        or "tpr"
    )
    sides = Sides(
        ref=chosen.ref,
        output=chosen.output.name,
        base=versions.base,
        base_threshold=first if moved else before,
        candidate=versions.candidate,
        candidate_threshold=second if moved else after,
    )
    # Only what is drawn: a person waits for it at every move.
    changes = queries.explored_changes(sides, metric)
    show_live(_forest(changes, metric), key="explored_change", download=chosen.may_leave)
    title = "Cases with the condition that are newly missed or found"
    cases = st.expander(title, key="explored_cases", on_change="rerun")
    if cases.open:
        with cases:
            show_table([_row(change) for change in changes], alt="Newly missed and found by group")


_STEP = 0.005


def _slider(chosen: Context, model: str, declared: float) -> float:
    key = f"moved_{chosen.ref.stamp}_{model}_{chosen.output.name}"
    value = range_slider(f"Threshold of {model_label(model)}", start=declared, step=_STEP, key=key)
    st.button(
        f"Back to {declared:.3f}",
        on_click=state.set_widget,
        args=(key, declared),
        disabled=abs(value - declared) < _STEP / 2,
        key=f"{key}_back",
    )
    return value


def _forest(changes: Sequence[ExploredChange], metric: str) -> Forest:
    return Forest(
        metric=f"Change of {label('metric', metric).lower()}",
        unit="percent",
        overall=0.0,
        line="no change",
        graded=False,
        rows=tuple(
            ForestRow(
                label=group_label(change.attributes),
                value=change.delta["value"],
                low=change.delta["low"],
                high=change.delta["high"],
                text=numbers.signed(change.delta["value"], "percent")
                + f" ({numbers.interval(change.delta, 'percent', difference=True)})",
            )
            for change in changes
        ),
    )


def _row(change: ExploredChange) -> dict[str, str]:
    return {
        "Group": group_label(change.attributes),
        "Cases": numbers.count(change.n),
        "Newly missed": numbers.count(change.newly_missed),
        "Newly found": numbers.count(change.newly_found),
    }
