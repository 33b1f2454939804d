"""How a metric went over versions, and what else changed on the way."""

from __future__ import annotations

import streamlit as st

from audits.comparison.history import Version
from dashboard import numbers
from dashboard.charts.history import Milestone, Timeline
from dashboard.evidence import group_label, metrics_of, model_label
from dashboard.queries import history as queries
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_table
from dashboard.views.pickers import pick_metric, pick_one
from dashboard.words import label, word

GROUP = "history_group"


def history_part(chosen: Context) -> None:
    """Show every version of the store that gives this output, on one axis."""
    study = str(chosen.evidence["study"]["name"])
    refs = queries.known_runs(study)
    left, right = st.columns(2, gap="medium")
    with left:
        metric = pick_metric(metrics_of(chosen.entry))
    with right:
        attributes = _pick_group(chosen)
    found = queries.history(refs, chosen.output.name, metric, attributes)
    shown = [one for one in found if one.estimate is not None]
    if not shown:
        st.write(f"No run of {study} in this store has this measure of this group.")
        return
    chart = Timeline(
        metric=label("metric", metric),
        unit=word("metric", metric).unit,
        points=tuple(_milestone(one, metric) for one in shown),
    )
    show_chart(chart, key=f"history_{metric}")
    if len({one.strand for one in shown}) > 1:
        st.caption("Data differ between the strands, so their numbers are not comparable.")
    rows = [_change(one) for one in shown if one.changed]
    if rows:
        st.markdown("**What changed beside the model**")
        show_table(rows, alt="What changed between versions beside the model")
    else:
        st.caption("Data, label, policy and thresholds were the same throughout.")


def _pick_group(chosen: Context) -> tuple[tuple[str, str], ...]:
    groups: dict[str, tuple[tuple[str, str], ...]] = {group_label({}): ()}
    groups |= {
        group_label(one["attributes"]): tuple(one["attributes"].items())
        for one in chosen.entry["groups"]
        if len(one["attributes"]) == 1
    }
    name = pick_one("Group", list(groups), key=GROUP)
    return groups[name]


def _milestone(one: Version, metric: str) -> Milestone:
    estimate = one.estimate or {}
    return Milestone(
        name=model_label(one.model),
        date=one.time,
        strand=one.strand,
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        text=numbers.full(estimate, metric),
        changed="; ".join(one.changed),
    )


def _change(one: Version) -> dict[str, str]:
    return {
        "Made": one.time[:16].replace("T", " "),
        "Version": model_label(one.model),
        "Changed": "; ".join(one.changed),
        "Comparable with the one before": "yes" if one.comparable else "no",
    }
