"""How this patient's effects change when somebody else is the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.numbers import signed
from dashboard.views.elements import show_table
from dashboard.words import word

SHOWN = 6


def sensitivity_part(entry: Mapping[str, Any]) -> None:
    """Show the leading effects against every other cohort, and which change their sign.

    Args:
        entry: ``explanation.json``; its ``sensitivity`` is filled once it was checked.
    """
    views = entry.get("sensitivity") or []
    if not views:
        return
    own = (entry.get("background") or {}).get("cohort") or "all"
    turned = {name for view in views for name in view["turned"]}
    players = sorted(entry["players"], key=lambda player: -abs(player["effect"]))
    labels = {player["name"]: player["label"] for player in players}
    with st.expander("Compared with others: how much the background matters"):
        if turned:
            named = ", ".join(labels[name] for name in labels if name in turned)
            st.markdown(f":orange-badge[◆ Depends on the comparison] {named} changes its sign.")
        else:
            st.markdown(":blue-badge[● Steady] No leading effect changes its sign.")
        rows = []
        for player in players[:SHOWN]:
            row = {
                "Variable": player["label"],
                word("cohort", own).label: signed(player["effect"]),
            }
            for view in views:
                effect = signed(view["effects"][player["name"]])
                flag = " ◆" if player["name"] in view["turned"] else ""
                row[word("cohort", view["background"]["cohort"]).label] = effect + flag
            rows.append(row)
        base = {"Variable": "Average score there", word("cohort", own).label: _base(entry)}
        for view in views:
            base[word("cohort", view["background"]["cohort"]).label] = _base(view)
        show_table([base, *rows], alt="The leading effects against each background cohort")
        st.caption(" · ".join(view["background"]["name"] for view in views))


def _base(held: Mapping[str, Any]) -> str:
    value = held.get("base_value")
    return "–" if value is None else signed(value)
