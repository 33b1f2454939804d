"""The fast view of a tree model, apart from the audited effects, never in one table with them."""

from __future__ import annotations

import streamlit as st

from dashboard import series
from dashboard.numbers import signed
from dashboard.queries import fast_view
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import word

SHOWN = 10


def fast_view_part(chosen: Context, case: str, model: str) -> None:
    """Offer the library's own path-dependent contributions, under their own name."""
    if not fast_view.has_fast_view(chosen.ref, model):
        return
    method = word("method", fast_view.METHOD)
    part = st.expander(method.label, key=f"fast_view_{model}", on_change="rerun")
    if not part.open:
        return
    with part, states.guarded("The fast view cannot be shown"):
        entry = fast_view.fast_view(chosen.ref, model, case, chosen.output.name)
        st.markdown(
            f":orange-badge[◆ Another question] {method.definition} Do not compare these numbers "
            "with the effects above, which are measured against a named cohort."
        )
        players = sorted(entry["players"], key=lambda player: -abs(player["effect"]))
        rows = [
            {
                "Variable": player["label"],
                "Value": series.value_text(player["value"], player.get("unit")),
                "Path-dependent effect": signed(player["effect"]),
            }
            for player in players[:SHOWN]
        ]
        rest = sum(player["effect"] for player in players[SHOWN:])
        if len(players) > SHOWN:
            others = f"{len(players) - SHOWN} others"
            rows.append({"Variable": others, "Value": "", "Path-dependent effect": signed(rest)})
        show_table(rows, alt="Path-dependent effects of the variables")
        st.caption(f"{entry['estimand']} Base value {signed(entry['base_value'])}.")
