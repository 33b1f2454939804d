"""Between the groups of an attribute: what the spread of a metric is worth; never a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.evidence import group_entry, group_label
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, inside, label, word

Entry = Mapping[str, Any]
MOST_ROWS = 60


def between_part(chosen: Context) -> None:
    """Show the naive gap beside a fair model's, and every group's estimate drawn to the others."""
    held = {(e["attribute"], e["metric"]): e for e in chosen.entry.get("shrinkage") or []}
    if not held:
        st.write("Not shown: no metric was compared in two groups, or this release holds none.")
        return
    left, right = st.columns(2)
    with left:
        attributes = list(dict.fromkeys(attribute for attribute, _ in held))
        attribute = pick_one("Groups by", attributes, key="between_by", format_func=humanised)
    with right:
        metrics = [metric for name, metric in held if name == attribute]
        metric = pick_one(
            "Measure", metrics, key="between_metric", format_func=lambda n: label("metric", n)
        )
    _gap(_of(chosen.entry, "max_min_gap", attribute, metric), metric)
    _spread(_of(chosen.entry, "heterogeneity", attribute, metric))
    bands = _by_group(_of(chosen.entry, "max_t_bands", attribute, metric))
    structured = _of(chosen.entry, "structured", attribute, metric)
    joined = _by_group(structured)
    unit = word("metric", metric).unit
    rows = []
    for group in held[attribute, metric]["groups"][:MOST_ROWS]:
        told = group_label(group["attributes"])
        row = {
            "Group": told,
            "As measured (95 %)": _measured(chosen.entry, group, metric),
            "All groups hold at once": numbers.interval(bands.get(told), unit),
            "Drawn to the mean": numbers.number(group["shrunk"], unit),
        }
        if told in joined:
            own = joined[told]
            limits = numbers.interval(own, unit)
            row["Borrowing from its levels"] = f"{numbers.number(own['structured'], unit)} {limits}"
        rows.append(row)
    show_table(rows, alt=f"{label('metric', metric)} by {humanised(attribute)}, drawn together")
    if structured is not None:
        _interactions(structured)


def _gap(entry: Entry | None, metric: str) -> None:
    if entry is None:
        return
    unit = word("metric", metric).unit
    gap, fair, most = (
        numbers.signed(entry[n], unit).lstrip("+") for n in ("gap", "fair_median", "fair_95")
    )
    st.markdown(
        f"The best and the worst group lie {gap} apart. In this very sample, a fair model's would "
        f"lie {fair} apart (up to {most} in 95 % of draws): {_p(entry['p'])}."
    )


def _measured(entry: Entry, group: Entry, metric: str) -> str:
    """Return a group's estimate with its interval and count, as every other part prints it."""
    found = group_entry(entry, group["attributes"])
    held = found["metrics"].get(metric) if found else None
    return (
        numbers.full(held, metric)
        if held
        else numbers.number(group["raw"], word("metric", metric).unit)
    )


def _spread(entry: Entry | None) -> None:
    if entry is None or entry.get("p") is None:
        return
    st.caption(
        f"Do the groups differ at all? {_p(entry['p'])} ({inside(entry['method'])}). "
        "Descriptive: no verdict hangs on it."
    )


def _interactions(entry: Entry) -> None:
    kept = entry["interactions"]
    told = "; ".join(f"{group_label(i['attributes'])} ({i['effect']:+.2f})" for i in kept)
    enough = f"Are main effects enough? {_p(entry['p'])}. " if entry["p"] is not None else ""
    st.caption(
        f"{enough}Interactions kept, in logits: {told or 'none'}. The intervals leave out that "
        "the model was chosen."
    )


def _p(value: float) -> str:
    told = numbers.p_text(value)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def _of(entry: Entry, section: str, attribute: str, metric: str) -> Entry | None:
    found = (
        e for e in entry.get(section) or [] if e["attribute"] == attribute and e["metric"] == metric
    )
    return next(found, None)


def _by_group(entry: Entry | None) -> dict[str, Entry]:
    if entry is None:
        return {}
    return {group_label(group["attributes"]): group for group in entry["groups"]}
