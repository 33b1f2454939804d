"""A patient's clinical variables: value, reference flag, effect with its error, both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from audits.risk_points import risk_points
from dashboard import series
from dashboard.numbers import signed
from dashboard.queries import case_inputs, parts
from dashboard.views.elements import show_chart, show_table

if TYPE_CHECKING:
    from dashboard.views.context import Context
    from model_adapters.base import Feature

SIDE = 6
"""Variables shown per direction; the rest is summed, so that neither side is cut short."""

NOT_MEASURED = "not measured"
POINTS = (
    " Effects are in log-odds, which add up. Points: how far the predicted risk lies above or "
    "below what it would be without that effect alone; they do not add up."
)
LEAST = 0.0005
"""Change of a risk below which no tenth of a point is left of it."""
SMALL_PART = 0.05
"""Parts below this share of an effect are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What is known of the variables besides their effects.

    Attributes:
        known: Variable to its unit, reference range and the like.
        filled: Variable to what the model takes where it is missing.
        hours: Variable to how many hours before the case's time it was measured.
    """

    known: Mapping[str, Feature]
    filled: Mapping[str, float]
    hours: Mapping[str, float]


def show_variables(
    chosen: Context,
    entry: Mapping[str, Any],
    model: str,
    *,
    narrow: bool = False,
    extent: tuple[float, float] | None = None,
) -> None:
    """Show evidence for and against at equal weight, then the way from average to patient."""
    basis = Basis(
        known={**parts.measured_variables(chosen.ref), **case_inputs.variables(chosen.ref)},
        filled=case_inputs.filled_in(chosen.ref, model),
        hours=case_inputs.hours_before(chosen.ref, entry["case"]),
    )
    binary = case_inputs.yes_no_variables(chosen.ref)
    logit = (entry.get("score") or {}).get("logit")
    players = [
        {**with_words(player, binary), "points": risk_points(player["effect"], logit)}
        for player in entry["players"]
    ]
    raises = sorted((p for p in players if p["effect"] > 0), key=lambda p: -p["effect"])
    lowers = sorted((p for p in players if p["effect"] < 0), key=lambda p: p["effect"])
    with st.container(key=f"sides_{model}"):  # stacked on a narrow screen (static/style.css)
        columns = [st.container(), st.container()] if narrow else list(st.columns(2, gap="medium"))
    for column, title, side in zip(
        columns, ("Raises the score", "Lowers the score"), (raises, lowers), strict=True
    ):
        with column:
            st.markdown(f"**{title}**")
            show_table(_rows(side, basis) or [_none()], alt=f"{title}: variables with their effect")
    _reference_part(players, f"units_{model}")
    missing = unmeasured(players)
    if missing:
        st.caption(f"Not measured in this patient: {'; '.join(missing)}.")
    chart = series.waterfall({**entry, "players": players}, extent=extent)
    if chart is not None:
        show_chart(chart, key=f"waterfall_{model}")


def _reference_part(players: Sequence[Mapping[str, Any]], key: str) -> None:
    """Show unit, reference range and code of the variables, and what ± stands for."""
    rows = {
        player["label"].rsplit(", ", 1)[0] if "@" in player["name"] else player["label"]: {
            "Unit": player.get("unit") or "–",
            "Reference range": range_text(player.get("low"), player.get("high")),
            "Code": player.get("code") or "–",
        }
        for player in players
    }
    told = [{"Variable": label, **row} for label, row in rows.items() if set(row.values()) != {"–"}]
    if any(player.get("se") for player in players):
        st.caption(
            "±: standard error of an effect; 1.96 of them make its 95 % interval."
            + (POINTS if any(player.get("points") is not None for player in players) else "")
        )
    if told:
        units = st.expander("Units, reference ranges and codes", key=key, on_change="rerun")
        if units.open:  # a browser pays for a closed table, too, with every case
            with units:
                show_table(told, alt="Unit, reference range and code of every variable")


def unmeasured(players: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was not measured, each variable once, with the stretches of time it lacks.

    Example:
        >>> def player(name, label, value):
        ...     return {"name": name, "label": label, "value": value}
        >>> unmeasured([player("ph", "Arterial pH", "not measured"),
        ...     player("hr@0-6h", "Heart rate, 0–6 h", "not measured"),
        ...     player("hr@6-12h", "Heart rate, 6–12 h", 80.0),
        ...     player("k@0-6h", "Potassium, 0–6 h", "not measured")])
        ['Arterial pH', 'Heart rate (0–6 h)', 'Potassium']
    """
    stretches: dict[str, list[tuple[str, bool]]] = {}
    for player in players:
        label, _, span = (
            player["label"].rpartition(", ") if "@" in player["name"] else (player["label"], "", "")
        )
        stretches.setdefault(label, []).append((span, player["value"] == NOT_MEASURED))
    out = []
    for label, spans in stretches.items():
        lacking = [span for span, missing in spans if missing]
        if len(lacking) == len(spans):
            out.append(label)
        elif lacking:
            out.append(f"{label} ({', '.join(lacking)})")
    return out


def range_text(low: float | None, high: float | None) -> str:
    """Return a reference range in words.

    Example:
        >>> range_text(0.5, 2.0), range_text(None, 140.0), range_text(None, None)
        ('0.5–2', 'up to 140', '–')
    """
    if low is None and high is None:
        return "–"
    if low is None:
        return f"up to {high:g}"
    return f"from {low:g}" if high is None else f"{low:g}–{high:g}"


def variable_of(player: str, known: Collection[str]) -> str:
    """Return the variable that a player is, or is a stretch of time or an input's part of.

    Example:
        >>> variable_of("hr@18-24h", {"hr"}), variable_of("vitals: hr", {"hr"})
        ('hr', 'hr')
    """
    return player if player in known else player.rsplit(": ", 1)[-1].split("@", 1)[0]


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


def status_text(name: str, value: object, basis: Basis) -> str:
    """Return whether a value was measured, how old it is, or what the model took instead.

    Example:
        >>> basis = Basis(known={}, filled={"lactate": 1.8}, hours={"ph": 30.0, "wbc": 0.4})
        >>> status_text("lactate", None, basis), status_text("ph", 7.3, basis)
        ('missing, filled in as 1.8', 'measured 30 h before')
        >>> status_text("wbc", 9.0, basis), status_text("inr", 1.1, basis)
        ('measured under 1 h before', 'measured')
    """
    if value in {None, NOT_MEASURED}:
        given = basis.filled.get(name)
        return "missing" if given is None else f"missing, filled in as {given:.4g}"
    hours = basis.hours.get(name)
    if hours is None:
        return "measured"
    return "measured under 1 h before" if 0 <= hours < 1 else f"measured {hours:,.0f} h before"


def _rows(players: Sequence[Mapping[str, Any]], basis: Basis) -> list[dict[str, str]]:
    rows = [_row(player, basis) for player in players[:SIDE]]
    rest = players[SIDE:]
    if rest:
        total = sum(player["effect"] for player in rest)
        rows.append({**_none(), "Variable": f"{len(rest)} others", "Effect": signed(total)})
    return rows


def _row(player: Mapping[str, Any], basis: Basis) -> dict[str, str]:
    error = player.get("se")
    name = variable_of(player["name"], basis.known)
    feature = basis.known.get(name)
    flag = reference_flag(player["value"], feature.normal if feature else None)
    shown = (
        series.value_text(player["value"], player.get("unit"))
        if player["value"] is not None
        else "–"
    )
    if flag != "–":  # a number stays beside its unit, an arrow beside its word
        shown, flag = shown.replace(" ", "\u00a0"), flag.replace(" ", "\u00a0")
    return {
        "Variable": player["label"],
        "Value": shown if flag == "–" else f"{shown}, {flag}",
        "Status": "–"
        if player["value"] is None and feature is None  # a part of an image or a text
        else status_text(name, player["value"], basis),
        "Effect": signed(player["effect"])
        + (f" ± {error:.3f}" if error else "")
        + points_text(player.get("points"))
        + measured_text(player),
        "Modifiable": {True: "yes", False: "no", None: "–"}[
            feature.actionable if feature else None
        ],
    }


def points_text(points: float | None) -> str:
    """Return an effect's points of risk; nothing where the output is no risk.

    Example:
        >>> points_text(0.0123), points_text(None)
        (' (+1.2 points)', '')
        >>> points_text(-0.0001)
        ' (under 0.1 points)'
    """
    if points is None:
        return ""
    told = "under 0.1 points" if abs(points) < LEAST else signed(points, "percent")
    return f" ({told})"


def measured_text(player: Mapping[str, Any]) -> str:
    """Return the part of an effect that is due to the variable having been measured at all.

    Example:
        >>> measured_text({"effect": 0.3, "value": 2.0, "measurement": {"effect": 0.21}})
        ', of which +0.210 for being measured'
        >>> measured_text({"effect": 0.3, "value": "not measured", "measurement": {"effect": 0.3}})
        ', all for not being measured'
    """
    part = player.get("measurement")
    if part is None:
        return ""
    if player["value"] in {None, NOT_MEASURED}:
        return ", all for not being measured"
    if abs(part["effect"]) < SMALL_PART * max(abs(player["effect"]), SMALL_PART):
        return ""
    return f", of which {signed(part['effect'])} for being measured"


def _none() -> dict[str, str]:
    return {"Variable": "none", "Value": "", "Status": "", "Effect": "", "Modifiable": ""}
