"""How the model does for patients like this one: this patient's own groups, with n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers, series
from dashboard.evidence import comparison_of, group_label
from dashboard.queries.cases import CaseFacts
from dashboard.views.context import Context
from dashboard.views.elements import show_table, verdict_badge
from dashboard.words import label, word

METRICS = ("tpr", "fpr", "auroc", "oe_ratio")


def own_groups_part(chosen: Context, facts: CaseFacts) -> None:
    """Show the model's performance for every group this patient belongs to."""
    st.subheader("How the model performs for this patient's own groups", anchor=False)
    rows = [_row(chosen.entry, {**chosen.entry["overall"], "attributes": {}})]
    rows += [
        _row(chosen.entry, group)
        for group in chosen.entry["groups"]
        if all(facts.groups.get(name) == level for name, level in group["attributes"].items())
    ]
    show_table(rows, alt="Performance of the model in each group of this patient")
    st.caption(
        "Sensitivity, false alarms and calibration of the run, with 95 % intervals. "
        + word("metric", "oe_ratio").definition
    )


def _row(output: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, str]:
    row = {
        "Group": group_label(group["attributes"]),
        "Cases": numbers.count(group.get("n"), suppressed=bool(group.get("suppressed"))),
    }
    for metric in METRICS:
        estimate = group["metrics"].get(metric)
        if estimate is not None:
            row[label("metric", metric)] = numbers.full(estimate, metric)
    row["Verdict on sensitivity"] = ""
    if group["attributes"]:
        found = comparison_of(output, group["attributes"], "tpr") or {}
        badge = verdict_badge(found.get("verdict"), found.get("strength"))
        side = series.worse_text(found, group["attributes"])
        told = f" {side}" if found.get("verdict") == "disparity" else ""
        row["Verdict on sensitivity"] = f"{badge}{told}"
    return row
