"""The case in one glance: who, which risk, against which threshold, and what turned out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from audits.fairness.observed_risk import observed_of
from dashboard import numbers
from dashboard.evidence import group_label, model_label
from dashboard.queries import cases
from dashboard.queries.cases import CaseFacts
from dashboard.views import states
from dashboard.views.case_list import versions_of
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.views.risk_scale import risk_scale
from dashboard.words import inside, word

NUMBERS = ("regression", "ordinal", "segmentation", "detection")
SCALES = {
    "log_hazard": "Log-hazard",
    "survival": "Probability of outliving the horizon",
    "value": "Predicted value",
}


def case_head(chosen: Context, case: str) -> CaseFacts | None:
    """Show who the case is; return its facts, or None where the run has no such case."""
    facts = cases.facts(
        chosen.ref, chosen.model, chosen.output.name, case, chosen.entry["threshold"]["value"]
    )
    if facts is None:
        states.problem(
            "No such case",
            f"Case {case!r} is not among the cases of this run that "
            f"{model_label(chosen.model)} scored; choose one of the list.",
        )
        return None
    st.header(f"Case {case}", anchor=False)
    told = group_label(facts.groups) if facts.groups else "No group is recorded for this case."
    st.caption(told)
    _siblings(chosen, facts)
    return facts


def _siblings(chosen: Context, facts: CaseFacts) -> None:
    """Link to the other cases of the same patient, each by what it differs in."""
    others, n = cases.of_same_patient(
        ref=chosen.ref, model=chosen.model, output=chosen.output.name, case=facts.case
    )
    if not n:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="siblings"):
        st.caption(f"Same patient, {numbers.counted(n, 'other case')}:", width="content")
        for case, groups in others.items():
            apart = {name: to for name, to in groups.items() if facts.groups.get(name) != to}
            held = {"model": chosen.model} if chosen.model else {}
            st.page_link(
                "app_pages/case_review.py",
                label=f"{case} ({inside(group_label(apart))})" if apart else case,
                query_params={
                    "run": chosen.evidence["run"]["id"],
                    **held,
                    "output": chosen.output.name,
                    "case": case,
                },
                width="content",
            )
        if n > len(others):
            st.caption(f"and {n - len(others):,} more", width="content")


def prediction_part(chosen: Context, facts: CaseFacts) -> None:
    """Show the predicted risk on its scale, and what every version says."""
    others = [
        (found, model, threshold)
        for model, threshold in versions_of(chosen)[1:]
        if (found := cases.facts(chosen.ref, model, chosen.output.name, facts.case, threshold))
    ]
    with st.container(border=True, key="prediction"):
        st.subheader(chosen.output.label, anchor=False)
        if facts.risk is not None:
            st.html(_scale(chosen, facts, [found for found, _, _ in others]))
            _frequency(chosen, facts.risk)
        rows = [_row(chosen, facts, chosen.model, chosen.entry["threshold"]["value"])]
        rows += [_row(chosen, found, model, threshold) for found, model, threshold in others]
        show_table(rows, alt="What each version predicts for this case")
        st.caption(
            f"Reference label of the study: {_recorded(chosen, facts)}. It is what the study "
            "recorded, and may itself be wrong."
        )


def _recorded(chosen: Context, facts: CaseFacts) -> str:
    """Return what the study recorded, in words of the output's task."""
    task = chosen.entry.get("task")
    if facts.observed is None:
        return "not recorded"
    if task in NUMBERS and task != "segmentation":  # there the mask is the measurement
        return f"measured {numbers.number(facts.observed)}"
    if task == "survival":
        return "event recorded" if facts.observed else "no event until the end of observation"
    return {1: "present", 0: "absent", None: "not recorded"}[facts.label]


def _scale_name(chosen: Context) -> str:
    """Return what a prediction is called on the model's declared scale."""
    held = chosen.evidence["models"]
    model: Mapping[str, Any] = next((m for m in held if _key(m) == chosen.model), {})
    if model.get("task") == "anomaly":
        return "Anomaly score"
    if model.get("task") == "segmentation":
        return "Overlap with the study's mask (Dice)"
    return SCALES.get(model.get("space", ""), "Predicted risk")


def _key(model: Mapping[str, Any]) -> str:
    return f"{model['id']}@{model['version']}"


def _frequency(chosen: Context, predicted: float) -> None:
    """Say how many of a hundred patients with such a risk had the condition."""
    found = observed_of(chosen.evidence, chosen.entry, predicted)
    if isinstance(found, str):
        st.caption(found)
        return
    rate, _, interval = found.headline.partition(" in 100 ")
    st.markdown(
        f"**{rate} in 100** patients with such a predicted risk had the condition {interval}."
    )
    st.caption(found.counted)


def _scale(chosen: Context, facts: CaseFacts, others: list[CaseFacts]) -> str:
    threshold = chosen.entry["threshold"]["value"]
    value = facts.risk or 0.0
    told = f"Predicted risk {value:.1%}"
    if threshold is not None:
        flagged = "flagged" if value >= threshold else "not flagged"
        told += f", threshold {threshold:.1%}, {flagged}"
    rings = [other.risk for other in others if other.risk is not None]
    if rings:
        told += f"; other versions predict {', '.join(f'{ring:.1%}' for ring in rings)}"
    return risk_scale(value, threshold, others=rings, alt=told)


def _row(
    chosen: Context, facts: CaseFacts, model: str | None, threshold: float | None
) -> dict[str, str]:
    value = facts.risk if facts.risk is not None else facts.score
    flagged = None if threshold is None or value is None else value >= threshold
    outcome = word("outcome", facts.outcome) if facts.outcome else None
    place = (
        cases.percentile(chosen.ref, model, chosen.output.name, value)
        if value is not None
        else None
    )
    shown = numbers.number(facts.risk, "percent") if facts.risk is not None else ""
    mark = "◆" if model == chosen.model else "○"
    return {
        "Version": f"{mark} {model_label(model)}",
        _scale_name(chosen): shown or numbers.number(facts.score),
        "Threshold": _threshold(threshold, risk=facts.risk is not None),
        "Call": {True: "**flagged**", False: "not flagged", None: "no threshold"}[flagged],
        "Against the label": f"{outcome.symbol} {outcome.label}" if outcome else "–",
        "Rank in this cohort": "–" if place is None else f"above {int(100 * place)} % of cases",
    }


def _threshold(value: float | None, *, risk: bool) -> str:
    """Return a threshold on the scale that the prediction beside it is told on."""
    if value is None:
        return numbers.MISSING
    return numbers.number(value, "percent") if risk else f"{value:.3g}"
