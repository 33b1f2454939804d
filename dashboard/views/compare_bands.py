"""Moves between risk bands, and changes of groups drawn to their common one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.evidence import group_label
from dashboard.views.elements import show_table
from dashboard.words import humanised, label, word

SIDES = {"positives": "With the condition", "negatives": "Without it"}


def bands_part(entry: Mapping[str, Any]) -> None:
    """Show moves between risk bands, where the run counts them."""
    edges = entry.get("risk_bands") or []
    groups = [one for one in entry["groups"] if one.get("reclassification")]
    if not groups:
        if entry.get("withheld"):
            st.caption(entry["withheld"])
        return
    title = f"Moves between risk bands ({', '.join(_bands(edges))})"
    moves = st.expander(title, key="band_moves", on_change="rerun")  # tables cost the browser
    if moves.open:
        with moves:
            _moves(groups, edges)


def _moves(groups: Sequence[Mapping[str, Any]], edges: Sequence[float]) -> None:
    st.caption(
        "Up is what one wishes for in cases with the condition, down in those without. The two "
        "are not added up: a sum hides which side paid."
    )
    rows = [_row(one, side) for one in groups if len(one["attributes"]) <= 1 for side in SIDES]
    show_table(rows, alt="Moves between risk bands by group")
    st.markdown("**Everybody, band by band**")
    for side, title in SIDES.items():
        table = groups[0]["reclassification"][side]["table"]
        show_table(_table(table, edges, title), alt=f"{title}: base's band by candidate's band")


def _row(group: Mapping[str, Any], side: str) -> dict[str, str]:
    found = group["reclassification"][side]
    net = numbers.signed((found["net"] or {}).get("value"), "percent")
    return {
        "Group": group_label(group["attributes"]),
        "Cases": SIDES[side],
        "Up": numbers.of(found["up"], found["n"]),
        "Down": numbers.of(found["down"], found["n"]),
        "Up less down (95 %)": f"{net} "
        f"({numbers.interval(found['net'], 'percent', difference=True)})",
        "p": numbers.p_text(found["p"]),
    }


def _bands(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:.0%}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"below {shown[0]}", *inner, f"{shown[-1]} and more"]


def _table(
    table: Sequence[Sequence[int]], edges: Sequence[float], title: str
) -> list[dict[str, str]]:
    names = _bands(edges)
    return [
        {f"{title}: base": name}
        | {f"candidate {other}": f"{n:,}" for other, n in zip(names, row, strict=True)}
        for name, row in zip(names, table, strict=True)
    ]


def shrunk_part(entry: Mapping[str, Any]) -> None:
    """Show raw and shrunk changes of every attribute that has several groups."""
    found = entry.get("shrinkage") or []
    if not found:
        return
    drawn = st.expander("Changes drawn to the common one", key="shrunk_changes", on_change="rerun")
    if drawn.open:
        with drawn:
            st.caption(
                "A small group's change is mostly chance; it is drawn towards the change of all "
                "groups by its own uncertainty. Descriptive: no verdict is reached on it."
            )
            rows = [_shrunk(one, group) for one in found for group in one["groups"]]
            show_table(rows, alt="Raw and shrunk changes by group")


def _shrunk(one: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, str]:
    unit = word("metric", one["metric"]).unit
    return {
        "Measure": label("metric", one["metric"]),
        "Attribute": humanised(one["attribute"]),
        "Group": group_label(group["attributes"]),
        "Change": numbers.signed(group["raw"], unit),
        "Drawn to the common change": numbers.signed(group["shrunk"], unit),
        "Own weight": f"{group['own_weight']:.0%}",
    }
