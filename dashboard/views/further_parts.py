"""Measures beside the contract's: repeated predictions, residuals, metrics of a caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.charts import Forest, ForestRow
from dashboard.evidence import group_label
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import label, word

Section = Mapping[str, Any]
STAY_METRICS = (
    "event_sensitivity",
    "alarm_ppv",
    "alarms_per_day",
    "false_alarms_per_day",
    "lead_time",
    "median_lead_time",
)
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_NONE = (
    "This output has no further measures. Predictions that repeat during a stay, numbers, classes "
    "of one label and a caller's own metrics bring some."
)


def further_part(chosen: Context) -> None:
    """Show what an output has beside its metrics; all of it is exploratory."""
    shown = [part(chosen.entry[name]) for name, part in _PARTS.items() if name in chosen.entry]
    if not shown:
        st.write(_NONE)


def _reason(section: Section) -> bool:
    """Say why a section was not computed; return whether it was."""
    if section.get("state") == "computed":
        return True
    st.write(f"Not computed: {section.get('reason') or 'the run gives no reason'}.")
    return False


def _stays(section: Section) -> None:
    st.subheader("Alarms during a stay", anchor=False)
    if not _reason(section):
        return
    unit = _UNITS[section["unit"]]
    silence = section["silence"]
    heard = f" An alarm silences others for {silence:g} {unit}." if silence else ""
    st.caption(
        f"An alarm warns of an event if it comes within {section['window']:g} {unit} before it."
        f"{heard} Times are in {unit}; no verdict rests on these numbers."
    )
    groups = [section["overall"], *section["groups"]]
    metric = pick_one(
        "Measure", list(STAY_METRICS), key="stay_metric", format_func=lambda m: label("metric", m)
    )
    st.caption(word("metric", metric).definition)
    _forest(
        [(group_label(g["attributes"]), g["metrics"][metric]) for g in groups if _single(g)],
        metric,
        key=f"stays_{metric}",
    )
    rows = [
        {
            "Group": group_label(g["attributes"]),
            "Stays": numbers.count(g["n"]),
            "With the event": numbers.count(g["events"]),
            **{
                label("metric", m): numbers.with_interval(g["metrics"][m], word("metric", m).unit)
                for m in STAY_METRICS[:4]
            },
        }
        for g in groups
        if _single(g)
    ]
    show_table(rows, alt="Alarms during a stay, by group")


def _residuals(section: Section) -> None:
    st.subheader("Errors in full", anchor=False)
    if not _reason(section):
        return
    st.caption(
        "Predicted minus true, in the output's unit. Limits of agreement hold about 95 % of the "
        "errors if these are bell-shaped (Bland and Altman); quantiles hold them as they are."
    )
    groups = [g for g in (section["overall"], *section["groups"]) if _single(g)]
    rows = []
    for group in groups:
        limits = group["limits_of_agreement"]
        rows.append(
            {
                "Group": group_label(group["attributes"]),
                "Cases": numbers.count(group["n"]),
                "Lower limit of agreement": numbers.with_interval(limits["lower"]),
                "Upper limit of agreement": numbers.with_interval(limits["upper"]),
                **{
                    f"{q['share']:.0%} quantile": numbers.with_interval(q)
                    for q in group["quantiles"]
                },
            }
        )
    show_table(rows, alt="Quantiles and limits of agreement of the errors, by group")


def _custom(section: Section) -> None:
    st.subheader("Metrics that the caller brought", anchor=False)
    if not _reason(section):
        return
    st.caption(
        f"Through fairlearn's MetricFrame; intervals from {section['replicates']} resamples of "
        "patients. Whether more is better is not known here, and no verdict rests on them."
    )
    by_name = {metric["name"]: metric for metric in section["metrics"]}
    name = pick_one("Metric", list(by_name), key="custom_metric", format_func=str)
    metric = by_name[name]
    pairs = [("Everybody", metric["overall"])]
    pairs += [(group_label(g["attributes"]), g["estimate"]) for g in metric["groups"] if _single(g)]
    _forest(pairs, name, key=f"custom_{name}")


def _confusion(section: Section) -> None:
    st.subheader("Classes against classes", anchor=False)
    if not _reason(section):
        return
    groups = {group_label(g["attributes"]): g for g in section["groups"] if _single(g)}
    groups = {"Everybody": section["overall"], **groups}
    name = pick_one("Group", list(groups), key="confusion_group", format_func=str, width=320)
    group, classes = groups[name], section["classes"]
    st.caption(
        "The highest score is the prediction. Rightly predicted: "
        f"{numbers.full(group['accuracy'], 'accuracy')}; mean recall of the classes "
        f"{numbers.with_interval(group['balanced_accuracy'], 'percent')}. "
        "No verdict rests on these."
    )
    rows = []
    for at, (true, counts) in enumerate(zip(group["rows"], group["matrix"], strict=True)):
        recall = group["recall"][at] if at < len(classes) else None
        cells = {f"Predicted {c}": f"{k:,}" for c, k in zip(classes, counts, strict=True)}
        found = numbers.with_interval(recall, "percent") if recall else "–"
        rows.append({"True class": str(true), **cells, "Recall": found})
    precision = [numbers.with_interval(p, "percent") for p in group["precision"]]
    last = {f"Predicted {c}": text for c, text in zip(classes, precision, strict=True)}
    rows.append({"True class": "Precision", **last, "Recall": ""})
    show_table(rows, alt=f"True against predicted class, {name}")


def _single(group: Mapping[str, Any]) -> bool:
    return len(group["attributes"]) < 2  # noqa: PLR2004 - crossed groups stay in the evidence


def _forest(pairs: Sequence[tuple[str, Mapping[str, Any]]], metric: str, *, key: str) -> None:
    unit = word("metric", metric).unit
    rows = tuple(
        ForestRow(
            label=name,
            value=estimate.get("value"),
            low=estimate.get("low"),
            high=estimate.get("high"),
            text=numbers.full(estimate, metric),
        )
        for name, estimate in pairs
    )
    chart = Forest(metric=label("metric", metric), unit=unit, rows=rows, graded=False)
    show_chart(chart, key=key)


_PARTS = {
    "stays": _stays,
    "residuals": _residuals,
    "confusion": _confusion,
    "custom": _custom,
}
