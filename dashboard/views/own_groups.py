"""How the model does for patients like this one: this patient's own groups, with n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers, series
from dashboard.evidence import comparison_of, group_label, shrunken
from dashboard.queries.cases import CaseFacts
from dashboard.views.context import Context
from dashboard.views.elements import show_table, verdict_badge
from dashboard.words import label, word

METRICS = ("tpr", "fpr", "auroc", "oe_ratio")
SMALL = 30
"""Effective cases in a denominator below which a group's own number is not leant on."""


def own_groups_part(chosen: Context, facts: CaseFacts) -> None:
    """Show the model's performance for every group this patient belongs to."""
    rows = [_row(chosen.entry, {**chosen.entry["overall"], "attributes": {}})]
    rows += [
        _row(chosen.entry, group)
        for group in chosen.entry["groups"]
        if all(facts.groups.get(name) == level for name, level in group["attributes"].items())
    ]
    show_table(rows, alt="Performance of the model in each group of this patient")
    if any("≈" in cell for row in rows for cell in row.values()):
        st.caption(
            f"≈ marks a group with fewer than {SMALL} effective cases behind a number. Such a "
            "number is drawn towards the mean of its attribute, the more the smaller the group "
            "(empirical Bayes); the group's own number stands in brackets with its interval."
        )
    st.caption(
        "Sensitivity, false alarms, ranking and calibration of the run, with 95 % intervals. "
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
            row[label("metric", metric)] = _number(output, group["attributes"], metric, estimate)
    row["Verdict on sensitivity"] = ""
    if group["attributes"]:
        found = comparison_of(output, group["attributes"], "tpr") or {}
        badge = verdict_badge(found.get("verdict"), found.get("strength"))
        side = series.worse_text(found, group["attributes"])
        told = f" {side}" if found.get("verdict") == "disparity" else ""
        row["Verdict on sensitivity"] = f"{badge}{told}"
    return row


def _number(
    output: Mapping[str, Any],
    attributes: Mapping[str, str],
    metric: str,
    estimate: Mapping[str, Any],
) -> str:
    """Return a group's number; of a small group the one drawn towards its parents, said so."""
    own = numbers.full(estimate, metric)
    behind = (estimate.get("n") or 0) / (estimate.get("deff") or 1.0)
    if not attributes or estimate.get("suppressed") or behind >= SMALL:
        return own
    drawn = shrunken(output, attributes, metric)
    if drawn is None:
        return own
    shown = numbers.number(drawn["shrunk"], word("metric", metric).unit)
    return f"≈ {shown} [{own}; own weight {100 * drawn['own_weight']:.0f} %]"
