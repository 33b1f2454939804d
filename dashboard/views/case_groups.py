"""Inside the groups of a very wide table, and along the outputs that are points in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import series
from dashboard.charts.curve import EffectCurve
from dashboard.numbers import signed
from dashboard.views.elements import show_chart, show_table

SHOWN = 10
LINES = 5


def groups_part(players: Sequence[Mapping[str, Any]]) -> None:
    """Show the variables of every group that was looked into.

    Args:
        players: Of ``explanation.json``.
    """
    opened = [player for player in players if player.get("members")]
    for player in sorted(opened, key=lambda one: -abs(one["effect"])):
        with st.expander(f"Inside {player['label']}: {signed(player['effect'])}"):
            members = sorted(player["members"], key=lambda one: -abs(one["effect"]))
            rows = [
                {
                    "Variable": one["label"],
                    "Value": series.value_text(one["value"], one.get("unit")),
                    "Effect": signed(one["effect"]) + (f" ± {one['se']:.3f}" if one["se"] else ""),
                }
                for one in members[:SHOWN]
            ]
            rest = sum(one["effect"] for one in members[SHOWN:])
            if len(members) > SHOWN:
                others = f"{len(members) - SHOWN} others"
                rows.append({"Variable": others, "Value": "", "Effect": signed(rest)})
            show_table(rows, alt=f"Variables inside {player['label']}")


def curve_part(entry: Mapping[str, Any], model: str) -> None:
    """Show the leading variables' effects at every point in time.

    Args:
        entry: ``explanation.json``.
        model: Model key; names the chart on the page.
    """
    players = [one for one in entry["players"] if one.get("curve")]
    if not players:
        return
    players.sort(key=lambda one: -max(abs(point["effect"]) for point in one["curve"]))
    points = tuple(point["output"] for point in players[0]["curve"])
    lines = tuple(
        (one["label"], tuple(point["effect"] for point in one["curve"])) for one in players[:LINES]
    )
    unit = "units of the output" if entry["score"].get("logit") is None else "log-odds"
    st.markdown("**Along time**")
    show_chart(EffectCurve(points=points, lines=lines, unit=unit), key=f"curve_{model}")
