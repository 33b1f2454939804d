"""What drives the model: importance overall and by group, orders that leak, protected bases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.queries import case_inputs, importance
from dashboard.views import states
from dashboard.views.audit_parts import importance_part
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, word

UNIT = {"log-odds (logit)": "logits", "log-odds (logit) of the model's probability": "logits"}
ROLE = {"measures": "● measures it", "proxy": "◆ proxy for it", "none": "–"}
SHOWN = 12


def drivers_part(chosen: Context) -> None:
    """Show what moves the score over random cases, for whom, and by which protected inputs."""
    found = importance.global_output(chosen.ref, chosen.model, chosen.output.name)
    if found is None or chosen.model is None:
        importance_part(chosen)
    else:
        _global(chosen, chosen.model, *found)
    held = importance.inventory(chosen.ref, chosen.model)
    if held is not None:
        with states.guarded("The inventory of protected bases cannot be shown"):
            _inventory(chosen, held)


def _global(
    chosen: Context, model: str, summary: Mapping[str, Any], output: Mapping[str, Any]
) -> None:
    st.header("What moves the score", anchor=False)
    unit = UNIT.get(summary["unit"], summary["unit"])
    st.caption(
        f"{numbers.counted(summary['cases'], 'randomly drawn case')}, each against "
        f"{summary['background']['name']}. {word('method', summary['method']).label}; intervals "
        "resample whole patients. It describes the model, not causes."
    )
    entries = output["importance"]
    show_chart(importance.importance_forest(entries, unit), key="drivers")
    _by_group(chosen, output, unit)
    _cases(chosen, model, entries, unit)
    _care_process(output)


def _by_group(chosen: Context, output: Mapping[str, Any], unit: str) -> None:
    attributes = list(dict.fromkeys(n for g in output["by_group"] for n in g["attributes"]))
    if not attributes:
        return
    st.subheader("For whom", anchor=False)
    left, right = st.columns(2)
    labels = {one["name"]: one["label"] for one in output["importance"][: importance.LEADING]}
    with left:
        variable = pick_one(
            "Variable", list(labels), key="driver_variable", format_func=lambda n: labels[n]
        )
    with right:
        attribute = pick_one("Groups by", attributes, key="driver_by", format_func=humanised)
    chart = importance.group_forest(output, variable, attribute, unit)
    show_chart(chart, key=f"driver_{attribute}", download=chosen.may_leave)


def _cases(chosen: Context, model: str, entries: list[Mapping[str, Any]], unit: str) -> None:
    swarm = importance.beeswarm(chosen.ref, model, chosen.output.name, entries, unit)
    if swarm is None:
        return
    st.subheader("Case by case", anchor=False)
    st.caption("A mark per case: right of the line the variable raises the score, left it lowers.")
    show_chart(swarm, key="beeswarm", download=chosen.may_leave)
    by_name = {one["name"]: one for one in entries}
    name = pick_one(
        "Effect along the values of",
        list(by_name),
        key="dependence_of",
        format_func=lambda n: by_name[n]["label"],
        width=360,
    )
    feature = case_inputs.variables(chosen.ref).get(name)
    along = importance.dependence(
        chosen.ref, model, chosen.output.name, by_name[name], feature, unit
    )
    if along is not None:
        show_chart(along, key=f"dependence_{name}", download=chosen.may_leave)


def _care_process(output: Mapping[str, Any]) -> None:
    asked = output["care_process"]
    st.subheader("What the orders tell the model", anchor=False)
    if output.get("care_process_reason"):
        st.markdown(f":gray-badge[○ Not available] {output['care_process_reason']}")
        return
    if not asked:
        st.write("Every variable is measured in every case; orders tell this model nothing.")
        return
    leaks = [one["label"] for one in asked if one["leaks"]]
    st.markdown(
        f":orange-badge[◆ Care process] Being measured ranks high for **{', '.join(leaks)}**: the "
        "score follows what somebody ordered, and orders follow habits that differ between sites."
        if leaks
        else ":blue-badge[● No leak found] Whether something was measured moves this score little."
    )
    rows = [
        {
            "Being measured": one["label"],
            "Rank": str(one["rank"]),
            "Not measured": numbers.with_interval(one["not_measured"], "percent"),
            "Share of attribution": numbers.with_interval(one["share"], "percent"),
            "Leaks": "◆ yes" if one["leaks"] else "no",
        }
        for one in asked[:SHOWN]
    ]
    show_table(rows, alt="Variables by how much their being measured moves the score")


def _inventory(chosen: Context, held: Mapping[str, Any]) -> None:
    st.header("Inputs that stand for a protected basis", anchor=False)
    st.caption(
        "Race, color, national origin, sex, age and disability (45 CFR 92.210). A proxy is "
        f"associated with the basis by at least {held['proxy_from']} at the lower limit of its "
        "interval; a share of attribution says how much of the score's movement is its own."
    )
    telling = [one for one in held["inputs"] if one["role"] != "none"]
    if telling:
        rows = [_input_row(one, chosen.output.name) for one in telling]
        show_table(rows, alt="Inputs that measure or stand proxy for a protected basis")
    elif held["inputs"]:
        st.write("No input measures a basis or stands proxy for one that the study records.")
    absent = [one for one in held["bases"] if one["state"] == "not_available"]
    for reason in dict.fromkeys(one["reason"] for one in absent):
        names = [one["basis"].replace("_", " ") for one in absent if one["reason"] == reason]
        st.markdown(f":gray-badge[○ Not available] {', '.join(names)}: {reason}")
    for one in held.get("not_covered") or ():
        st.markdown(f":gray-badge[○ Not covered] {humanised(one['name'])}: {one['reason']}")
    rest = [one for one in held["inputs"] if one["role"] == "none"]
    if rest:
        title = f"Inputs that are neither ({len(rest)})"
        others = st.expander(title, key="other_inputs", on_change="rerun")
        if others.open:
            with others:
                rows = [_input_row(one, chosen.output.name) for one in rest[:SHOWN]]
                show_table(rows, alt="The strongest associations of all other inputs")


def _input_row(one: Mapping[str, Any], output: str) -> dict[str, str]:
    association = one["association"]
    share = next((s for s in one["shares"] if s["output"] == output), None)
    return {
        "Input": one["label"],
        "Basis": one["basis"].replace("_", " "),
        "Study column": one["column"] or "–",
        "Role": ROLE[one["role"]],
        "Association": numbers.with_interval(association),
        "Share of attribution": "–"
        if share is None
        else numbers.with_interval(share["share"], "percent"),
        "Rank": "–" if share is None else str(share["rank"]),
    }
