"""A patient's clinical variables: value, reference flag, effect with its error, both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import series
from dashboard.numbers import signed
from dashboard.queries import explanations
from dashboard.views.elements import show_chart, show_table

if TYPE_CHECKING:
    from dashboard.views.context import Context
    from model_adapters.base import Feature

SIDE = 6
"""Variables shown per direction; the rest is summed, so that neither side is cut short."""

NOT_MEASURED = "not measured"


def show_variables(
    chosen: Context, entry: Mapping[str, Any], model: str, *, narrow: bool = False
) -> None:
    """Show evidence for and against at equal weight, then the way from average to patient."""
    known = explanations.variables(chosen.ref)
    binary = explanations.yes_no_variables(chosen.ref)
    players = [with_words(player, binary) for player in entry["players"]]
    raises = sorted((p for p in players if p["effect"] > 0), key=lambda p: -p["effect"])
    lowers = sorted((p for p in players if p["effect"] < 0), key=lambda p: p["effect"])
    columns = [st.container(), st.container()] if narrow else list(st.columns(2, gap="medium"))
    for column, title, side in zip(
        columns, ("Raises the score", "Lowers the score"), (raises, lowers), strict=True
    ):
        with column:
            st.markdown(f"**{title}**")
            show_table(_rows(side, known) or [_none()], alt=f"{title}: variables with their effect")
    missing = [p["label"] for p in players if p["value"] in {None, NOT_MEASURED}]
    if missing:
        st.caption(f"Not measured in this patient: {', '.join(missing)}.")
    chart = series.waterfall({**entry, "players": players})
    if chart is not None:
        show_chart(chart, key=f"waterfall_{model}")


def with_words(player: Mapping[str, Any], binary: Collection[str]) -> dict[str, Any]:
    """Return a player whose value reads yes or no where the variable is nothing else.

    Example:
        >>> with_words({"name": "diabetes", "value": 1.0}, {"diabetes"})["value"]
        'yes'
    """
    if player["name"] in binary and player["value"] in {0, 1}:
        return {**player, "value": "yes" if player["value"] else "no", "unit": None}
    return dict(player)


def reference_flag(value: object, normal: tuple[float | None, float | None] | None) -> str:
    """Return where a value lies in its reference range, with a shape and words.

    Example:
        >>> reference_flag(4.0, (0.5, 2.0)), reference_flag(1.0, (0.5, 2.0))
        ('▲ high', 'in range')
    """
    if not isinstance(value, int | float) or normal is None or normal == (None, None):
        return "–"
    low, high = normal
    if high is not None and value > high:
        return "▲ high"
    if low is not None and value < low:
        return "▼ low"
    return "in range"


def _rows(
    players: Sequence[Mapping[str, Any]], known: Mapping[str, Feature]
) -> list[dict[str, str]]:
    rows = [_row(player, known.get(player["name"])) for player in players[:SIDE]]
    rest = players[SIDE:]
    if rest:
        total = sum(player["effect"] for player in rest)
        rows.append(
            {
                "Variable": f"{len(rest)} others",
                "Value": "",
                "Reference": "",
                "Effect": signed(total),
                "Modifiable": "",
            }
        )
    return rows


def _row(player: Mapping[str, Any], feature: Feature | None) -> dict[str, str]:
    error = player.get("se")
    normal = feature.normal if feature else None
    return {
        "Variable": player["label"],
        "Value": series.value_text(player["value"], player.get("unit")),
        "Reference": reference_flag(player["value"], normal),
        "Effect": signed(player["effect"]) + (f" ± {error:.3f}" if error else ""),
        "Modifiable": {True: "yes", False: "no", None: "–"}[
            feature.actionable if feature else None
        ],
    }


def _none() -> dict[str, str]:
    return {"Variable": "none", "Value": "", "Reference": "", "Effect": "", "Modifiable": ""}
