"""Who was audited: sizes and prevalence of every group, and whom the sample stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.evidence import group_label, is_intersection
from dashboard.views.context import Context
from dashboard.views.why_parts import population_part
from dashboard.words import humanised, inside

NO_CLASSES = frozenset({"regression", "ordinal", "segmentation"})
"""Tasks whose outcome is no condition that a case has or has not."""
SIZES = "Cases, patients and positives of every group"


def size_part(chosen: Context) -> None:
    """Show who is in the audit, before any number about the model."""
    _totals(chosen.entry)
    groups = chosen.entry.get("groups", [])
    crossed = [group for group in groups if is_intersection(group)]
    single = [group for group in groups if not is_intersection(group)]
    st.html(_table(chosen.entry, [{"attributes": {}, **chosen.entry["overall"]}, *single]))
    if crossed:
        more = st.expander(f"{len(crossed)} crossed groups", key="crossed", on_change="rerun")
        if more.open:
            more.html(_table(chosen.entry, crossed))
    absent = [
        requirement
        for requirement in chosen.evidence.get("requirements", [])
        if requirement["state"] == "not_available" and "group" in requirement["id"]
    ]
    if absent:
        told = ", ".join(inside(humanised(r["id"].rpartition(".")[2])) for r in absent)
        st.caption(f"Required, but not in this data: {told}. The reasons stand under Reports.")
    population_part(chosen)


def _totals(entry: Mapping[str, Any]) -> None:
    overall = entry["overall"]
    share = overall["metrics"].get("prevalence")
    with st.grid(4):
        st.metric("Cases", numbers.count(overall.get("n")), border=True)
        st.metric("Patients", numbers.count(overall.get("patients")), border=True)
        if entry.get("task") not in NO_CLASSES:
            st.metric("With the condition", numbers.count(overall.get("positives")), border=True)
        if share:
            # The interval stands under the value: beside it, it is cut on a narrow screen.
            st.metric(
                "Prevalence (95 %)",
                numbers.number(share.get("value"), "percent"),
                numbers.interval(share, "percent") or None,
                delta_color="off",
                delta_arrow="off",
                border=True,
            )


def _table(entry: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> str:
    """Return sizes as an HTML table: a share reads faster as a bar, which Markdown cannot draw."""
    classes = entry.get("task") not in NO_CLASSES
    names = ["Group", "Cases", "Share of cases", "Patients"]
    names += ["With the condition", "Prevalence (95 %)"] if classes else []
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    total = entry["overall"].get("n")
    body = "".join(f"<tr>{_row(group, total, classes=classes)}</tr>" for group in groups)
    return (
        f'<table class="sizes" aria-label="{SIZES}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(group: Mapping[str, Any], total: int | None, *, classes: bool) -> str:
    hidden, n = bool(group.get("suppressed")), group.get("n")
    cells = [
        escape(numbers.count(n, suppressed=hidden)),
        _bar(n / total if n and total else None),
        escape(numbers.count(group.get("patients"), suppressed=hidden)),
    ]
    if classes:
        cells.append(escape(numbers.count(group.get("positives"), suppressed=hidden)))
        share = group["metrics"].get("prevalence")
        cells.append(escape(numbers.with_interval(share, "percent")) if share else numbers.MISSING)
    name = f'<th scope="row">{escape(group_label(group["attributes"]))}</th>'
    return name + "".join(f"<td>{cell}</td>" for cell in cells)


def _bar(share: float | None) -> str:
    if share is None:
        return numbers.MISSING
    return (
        f'<span class="bar"><span style="width:{100 * share:.1f}%"></span></span>'
        f"{numbers.number(share, 'percent')}"
    )
