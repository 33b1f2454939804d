"""Data quality: what is missing, doubled, out of range, coded, and how prevalence moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.charts import Forest, ForestRow
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_frame, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, unit_label

Quality = Mapping[str, Any]
MONTHS = 24
"""Months drawn; evidence.json holds the others."""
_LIMITS = (("low", "low"), ("high", "high"))
_STATES = {
    "recognised": "can be a code of its system",
    "malformed": "cannot be one",
    "unknown_system": "system not known",
}


def quality_part(chosen: Context) -> None:
    """Show the data quality of the run's cohort."""
    quality = chosen.evidence.get("data_quality") or {}
    st.caption(
        "What can be seen in the data before any model: it explains some gaps and limits what "
        "every other part of this page can say."
    )
    _patients(quality)
    _missing(quality.get("missing") or [])
    _ranges(quality)
    _codes(quality.get("code_systems") or {})
    _prevalence(quality)


def _patients(quality: Quality) -> None:
    st.subheader("Patients and doubled rows", anchor=False)
    repeated, doubled = quality.get("repeated_patients") or {}, quality.get("doubled_rows") or {}
    lines = []
    if repeated.get("state") == "computed":
        lines.append(
            f"{_count(repeated['with_repeats'])} of {numbers.count(repeated.get('patients'))} "
            "patients have more than one case; every interval counts them as patients."
        )
    else:
        lines.append(f"Repeated patients: {repeated.get('reason') or 'not counted'}")
    if doubled.get("state") == "computed":
        lines.append(f"{_count(doubled['rows'])} rows repeat the content of another one.")
        if "under_other_patients" in doubled:
            lines.append(
                f"{_count(doubled['under_other_patients'])} patients share all of a row's content "
                "with another patient: one person may stand there twice."
            )
    for pair in quality.get("shared_patients") or []:
        splits = " and ".join(pair["splits"])
        lines.append(
            f"{numbers.count(pair.get('patients'), suppressed=True)} patients are in both {splits}."
        )
    st.markdown("\n".join(f"- {line}" for line in lines))


def _missing(entries: Sequence[Mapping[str, Any]]) -> None:
    st.subheader("Missing values", anchor=False)
    holed = [e for e in entries if e.get("missing") or e.get("suppressed")]
    if not holed:
        st.write("No column has a missing value." if entries else "No column was looked at.")
        return
    import pandas as pd

    frame = pd.DataFrame(
        {
            "Column": [humanised(e["variable"]) for e in holed],
            "Missing": [numbers.count(e.get("missing"), suppressed=True) for e in holed],
            "Of": [numbers.count(e.get("n"), suppressed=True) for e in holed],
            "Share": [None if e.get("share") is None else 100 * e["share"] for e in holed],
        }
    ).sort_values("Share", ascending=False)
    share = st.column_config.ProgressColumn(
        format="%.1f %%", min_value=0, max_value=100, color="gray"
    )
    show_frame(
        frame,
        key="quality_missing",
        alt="Missing values by column",
        column_config={"Share": share},
    )


def _ranges(quality: Quality) -> None:
    far = [i for i in quality.get("implausible") or [] if i.get("k") or i.get("suppressed")]
    units = quality.get("units") or []
    if not (units or far):
        return
    st.subheader("Units and implausible values", anchor=False)
    bare = [u.get("label") or u["variable"] for u in units if u["state"] == "not_declared"]
    if bare:
        st.write(f"Without a declared unit: {', '.join(bare)}.")
    doubts = {u["variable"]: u["doubts"] for u in units if u.get("doubts")}
    if not far:
        st.write("No value lies further from its reference range than ten times its width.")
        return
    unit_of = {u["variable"]: u.get("unit") for u in units}
    rows = [
        {
            "Variable": humanised(i["variable"]),
            "Unit": unit_label(unit_of.get(i["variable"])) or "none",
            "Far outside": numbers.of(i.get("k"), i.get("n")),
            "Looks like": ", ".join(
                f"{d['conversion']} ({numbers.of(d.get('k'), d.get('n'))})"
                for d in doubts.get(i["variable"], ())
            )
            or "–",
        }
        for i in far
    ]
    show_table(rows, alt="Values far outside their reference range")


def _codes(codes: Quality) -> None:
    held, columns = codes.get("variables") or [], codes.get("columns") or []
    if not (held or columns):
        return
    st.subheader("Code systems", anchor=False)
    odd = [one for one in held if one["state"] != "recognised"]
    systems = sorted({one["system"] for one in held if one["state"] == "recognised"})
    fitting = f" of {', '.join(systems)}" if systems else ""
    st.write(
        f"{len(held) - len(odd)} of {len(held)} codes of variables can be codes{fitting}, by form "
        "and check digit; nobody was asked whether they mean what the study says."
        if held
        else "The variables carry no codes."
    )
    if odd:
        rows = [
            {
                "Variable": humanised(one["variable"]),
                "Code": f"{one['system']}:{one['code']}".strip(":"),
                "State": _STATES[one["state"]],
                "Why": one["reason"],
            }
            for one in odd
        ]
        show_table(rows, alt="Codes that are not recognised")
    for one in columns:
        st.write(
            f"{humanised(one['variable'])} holds {one['system']} codes: "
            f"{numbers.of(one.get('k'), one.get('n'))} values have that form."
        )


def _prevalence(quality: Quality) -> None:
    by_month = quality.get("prevalence_by_month") or {}
    sites = [p for p in quality.get("prevalence") or [] if p.get("attribute")]
    if not (sites or by_month):
        return
    months = by_month.get("months") or []
    names = list(dict.fromkeys(p["label"] for p in (*sites, *months)))
    if names:
        st.subheader("How often the condition is there", anchor=False)
    if by_month.get("state") == "not_available":
        st.caption(f"Prevalence by month: {by_month['reason']}")
    if not names:
        return
    name = pick_one("Label", names, key="prevalence_label", format_func=humanised)
    for what, key, entries in (
        ("site", "level", [p for p in sites if p["label"] == name]),
        ("month", "month", [p for p in months if p["label"] == name]),
    ):
        if entries:
            if len(entries) > MONTHS and key == "month":
                st.caption(f"The last {MONTHS} of {len(entries)} months.")
            last = entries[-MONTHS:] if key == "month" else entries
            rows = tuple(_row(entry, key) for entry in last)
            chart = Forest(
                metric="Prevalence", unit="percent", rows=rows, graded=False, grouped=what
            )
            show_chart(chart, key=f"prevalence_{key}_{name}")


def _row(entry: Mapping[str, Any], key: str) -> ForestRow:
    count = numbers.of(entry.get("k"), entry.get("n"))
    share = {name: entry.get(at) for name, at in (("value", "share"), *_LIMITS)}
    return ForestRow(
        label=str(entry[key]),
        value=entry.get("share"),
        low=entry.get("low"),
        high=entry.get("high"),
        text=f"{numbers.with_interval(share, 'percent')}, {count}",
    )


def _count(entry: Mapping[str, Any]) -> str:
    return numbers.count(entry.get("count"), suppressed=True)
