"""A patient's measurements over time with their effects, the risk so far, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from audits.risk_points import risk_of
from dashboard import series
from dashboard.charts.timeline import Stretch, TimelineChart, Trace
from dashboard.numbers import number, signed
from dashboard.queries import parts
from dashboard.views.elements import show_chart, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import unit_label

if TYPE_CHECKING:
    import pandas as pd

    from dashboard.views.context import Context

SHOWN = 6
"""Variables drawn, by the size of their effect; the table names all of them."""

SINCE = (1, 3, 6, 12, 24, 48)
"""Hours back that the reader may choose, where they lie inside the model's window."""


def show_timeline(chosen: Context, entry: Mapping[str, Any], model: str) -> None:
    """Draw effects under each trace, and tell what changed since an earlier prediction."""
    timeline = entry["timeline"]
    if not timeline:
        return
    table = parts.case_sequence(chosen.ref, entry["case"], timeline["field"])
    if table is not None:
        show_chart(_chart(chosen, entry, table), key=f"timeline_{model}")
        st.caption(
            "Grey band: reference range. Below each trace: what each stretch of time does to the "
            "score, + raises, \u2212 lowers. Risk so far: what the model would have said with "
            "what was known by that hour."
        )
    if timeline["left_out"]:
        total = timeline["read"] + timeline["left_out"]
        st.caption(
            f"The model reads {timeline['read']} of {total} measurements: of several in one step "
            "it keeps one, and none outside its window."
        )
    _show_change(chosen, entry, model)


def _chart(chosen: Context, entry: Mapping[str, Any], table: pd.DataFrame) -> TimelineChart:
    timeline = entry["timeline"]
    known = parts.measured_variables(chosen.ref)
    cells = timeline["cells"]
    whole = sorted((c for c in cells if c["level"] == "variable"), key=lambda c: -abs(c["effect"]))
    traces = []
    for cell in whole[:SHOWN]:
        name = cell["variable"]
        feature = known.get(name)
        rows = table[table["variable"] == name]
        label = feature.label if feature else name
        if feature and feature.unit:
            label = f"{label}, {unit_label(feature.unit)}"
        traces.append(
            Trace(
                label=label,
                hours=parts.hours_of(rows, timeline),
                readings=tuple(rows["value"].astype(float)),
                normal=(feature.normal if feature else None) or (None, None),
                effect=cell["effect"],
                stretches=tuple(_stretches(cells, name)),
            )
        )
    probability = entry["score"].get("probability") is not None
    risk = [(h, risk_of(s) if probability else s) for h, s in timeline["trajectory"]]
    return TimelineChart(
        hours=timeline["hours"],
        traces=tuple(traces),
        risk=tuple(risk),
        risk_label="Risk so far" if probability else "Score so far",
        threshold=chosen.entry["threshold"]["value"] if probability else None,
    )


def _stretches(cells: list[dict[str, Any]], name: str) -> list[Stretch]:
    """Return the finest stretches of a variable: parts where a window was opened, else windows."""
    own = [c for c in cells if c["variable"] == name]
    fine = [c for c in own if c["level"] == "part"]
    coarse = [c for c in own if c["level"] == "window"]
    opened = [
        w for w in coarse if any(w["start"] <= p["start"] and p["end"] <= w["end"] for p in fine)
    ]
    kept = [*(c for c in coarse if c not in opened), *fine] or [
        c for c in own if c["level"] == "variable"
    ]
    return [
        Stretch(
            start=c["start"],
            end=c["end"],
            effect=c["effect"],
            error=c["se"],
            measured=c["measured"],
        )
        for c in sorted(kept, key=lambda c: c["start"])
    ]


def _show_change(chosen: Context, entry: Mapping[str, Any], model: str) -> None:
    """Tell the difference to an earlier prediction, by the variables measured since."""
    hours = entry["timeline"]["hours"]
    offered = [str(h) for h in SINCE if h < hours]
    if not offered:
        return
    st.markdown("**What changed since an earlier prediction**")
    since = pick_one(
        "Earlier by",
        offered,
        key=f"since_{model}",
        default=min(offered, key=lambda h: abs(int(h) - hours / 4)),
        format_func=lambda h: f"{h} h",
        width=160,
    )
    change = parts.case_change(chosen.ref, model, entry["case"], entry["output"], float(since))
    if change is None:
        st.caption("Nothing was measured since.")
        return
    probability = entry["score"].get("probability") is not None
    before, now = change.before, change.now
    told = f"{before:.2f} then, {now:.2f} now"
    if probability:
        then = number(risk_of(before), "percent")
        told = f"{then} then, {number(risk_of(now), 'percent')} now"
    unit = " in log-odds" if probability else ""
    st.markdown(
        f"Predicted {'risk' if probability else 'value'} {told} ({signed(now - before)}{unit})."
    )
    rows = [
        {
            "Variable": one.label,
            "Then → now": " → ".join(
                (series.value_text(one.was), series.value_text(one.value, one.unit))
            ),
            "New measurements": str(one.measured),
            f"Effect on the change{unit}": signed(one.effect),
        }
        for one in sorted(change.players, key=lambda p: -abs(p.effect))
    ]
    show_table(rows, alt="Variables measured since, with their share in the change of the score")
