"""Groups that nobody declared: what the search tested, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import humanised, inside, label

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
    items = [item for item in tested if item.get("flagged")]
    if items:
        show_table([_row(item) for item in items[:SHOWN]], alt="Slices found by search")
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
                show_table([_row(item) for item in tested], alt="Every slice that was tested")


def _row(item: Mapping[str, Any]) -> dict[str, str]:
    metric = item["metric"]
    merged = [" and ".join(conditions) for conditions in item.get("merged", ())]
    told = "; ".join(merged[:MERGED])
    if len(merged) > MERGED:
        told += f"; {len(merged) - MERGED} more"
    return {
        "Slice": inside(humanised(" and ".join(item["conditions"]))),
        "Measure": label("metric", metric),
        "In the slice": numbers.full(item.get("slice"), metric),
        "Elsewhere": numbers.full(item.get("rest"), metric),
        "Difference (95 %)": numbers.difference_text(item.get("difference"), metric),
        "p": numbers.p_text(item.get("p")),
        "Overlaps with": inside(humanised(told)) or "–",
    }
