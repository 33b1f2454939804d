"""Groups that nobody declared: what the search tested, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from audits.reporting.naming import condition_text, variable_labels
from dashboard import numbers
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import humanised, label

SHOWN = 12
MERGED = 2
"""Overlapping slices named beside the one that stands for them."""


def slice_part(chosen: Context) -> None:
    """Show the slices that a search found, and in a closed part all that it tested."""
    found = chosen.entry.get("slices") or {}
    if found.get("state") != "computed":
        st.write(f"Not searched: {found.get('reason') or 'this run holds no search'}.")
        return
    st.header("Groups that nobody declared", anchor=False)
    st.caption(found["note"])
    tested = found["slices"]
    labels = variable_labels(chosen.evidence["data_quality"])
    items = [item for item in tested if item.get("flagged")]
    if items:
        show_table([_row(item, labels) for item in items[:SHOWN]], alt="Slices found by search")
    else:
        st.write(
            f"{numbers.counted(len(tested), 'slice')} tested in the other half of the patients, "
            "and none stands out."
        )
    if len(tested) > len(items[:SHOWN]):
        every = st.expander(
            f"All {len(tested)} that were tested", key="slices_all", on_change="rerun"
        )
        if every.open:
            with every:
                rows = [_row(item, labels) for item in tested]
                show_table(rows, alt="Every slice that was tested")


def _told(conditions: Sequence[str], labels: Mapping[str, str]) -> str:
    return " and ".join(condition_text(one, labels) for one in conditions)


def _row(item: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, str]:
    metric = item["metric"]
    merged = [_told(conditions, labels) for conditions in item.get("merged", ())]
    told = "; ".join(merged[:MERGED])
    if len(merged) > MERGED:
        told += f"; {len(merged) - MERGED} more"
    return {
        "Slice": _told(item["conditions"], labels),
        "Measure": humanised(label("metric", metric)),
        "In the slice": numbers.full(item.get("slice"), metric),
        "Elsewhere": numbers.full(item.get("rest"), metric),
        "Difference (95 %)": numbers.difference_text(item.get("difference"), metric),
        "p": numbers.p_text(item.get("p")),
        "Overlaps with": told or "–",
    }
