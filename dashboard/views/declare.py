"""Declaring what a new audit will judge, before any of its results exist."""

from __future__ import annotations

import streamlit as st

from dashboard import identity, numbers, state
from dashboard.evidence import output_keys
from dashboard.jobs import follow, running_part
from dashboard.queries import policies
from dashboard.queries.policies import Declaration
from dashboard.settings import read_settings
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.words import humanised, label

TAB = "declare"
"""Id of the tab that holds the form."""


def declare_part(chosen: Context) -> None:
    """Show running audits, and the form that declares a policy and starts an audit under it."""
    running_part(read_settings())
    person = identity.current()
    if person is None or not person.may("start_audits"):
        st.caption("Audits are declared by compliance reviewers and model owners.")
        return
    st.caption(
        "What you declare here is written down and hashed before the audit computes anything. It "
        "becomes a run of its own; this one keeps its verdicts, and the new one counts it as an "
        "earlier run of the same study."
    )
    with states.guarded("The audit cannot start"):
        _form(chosen)


def declare_button(text: str, *, key: str) -> bool:
    """Show a button that opens the form with the next run of the page; return a click on it."""
    return st.button(
        text, key=key, on_click=state.choose, args=(state.SECTION, TAB), icon=":material/gavel:"
    )


def _form(chosen: Context) -> None:
    with st.form("declaration_form", border=False):
        said = _fields(chosen)
        start = st.form_submit_button("Declare and start the audit", icon=":material/play_arrow:")
    with st.popover("Show the policy file", type="tertiary", icon=":material/description:"):
        st.code(policies.declared_text(chosen.ref, said), language="toml")
    if start:
        path, job = policies.audit_anew(chosen.ref, said)
        st.toast(f"Declared as {path.name}")
        follow(job)


def _fields(chosen: Context) -> Declaration:
    policy = chosen.evidence["policy"]
    audit, reasons = policy["audit"], policy.get("reasons") or {}
    run = chosen.evidence["run"]["id"]
    known = list(dict.fromkeys(n for g in chosen.entry["groups"] for n in g["attributes"]))
    left, right = st.columns([3, 1])
    groups = left.multiselect(
        "Groups", known, default=[g for g in audit["groups"] if g in known],
        format_func=humanised, key=f"declare_groups_{run}",
    )  # fmt: skip
    alpha = right.number_input(
        "Level of the whole run", min_value=0.001, max_value=0.2, value=float(audit["alpha"]),
        step=0.005, format="%.3f", key=f"declare_alpha_{run}",
    )  # fmt: skip
    margins, told = [], []
    for metric in audit["verdict_metrics"]:
        left, right = st.columns([1, 3])
        margins.append(
            (
                metric,
                left.number_input(
                    f"Margin: {label('metric', metric)}", min_value=0.001, max_value=10.0,
                    value=float(policy["margin"][metric]), step=0.01, format="%.3f",
                    key=f"declare_margin_{metric}_{run}",
                ),
            )
        )  # fmt: skip
        path = f"margin.{metric}"
        told.append((path, right.text_input(
            f"Reason for the margin of {label('metric', metric)}", reasons.get(path, ""),
            key=f"declare_reason_{metric}_{run}",
        )))  # fmt: skip
    tested, why = _shortcuts(chosen, run)
    return Declaration(
        alpha=alpha,
        groups=tuple(groups),
        margins=tuple(margins),
        thresholds=_thresholds(chosen, run),
        reasons=(*told, *why),
        shortcut_margin=tested,
    )


def _shortcuts(chosen: Context, run: str) -> tuple[float | None, tuple[tuple[str, str], ...]]:
    """Let the reader set what a shortcut may do to the score, where the run tested any."""
    policy = chosen.evidence["policy"]
    held = (policy.get("shortcuts") or {}).get("margin_logits")
    if held is None or not (chosen.evidence.get("shortcuts") or {}).get("outputs"):
        return None, ()
    left, right = st.columns([1, 3])
    margin = left.number_input(
        "Margin: shortcuts, in logits", min_value=0.01, max_value=10.0, value=float(held),
        step=0.05, format="%.2f", key=f"declare_shortcut_margin_{run}",
    )  # fmt: skip
    path = "shortcuts.margin_logits"
    reason = right.text_input(
        "Reason for the margin of shortcuts", (policy.get("reasons") or {}).get(path, ""),
        key=f"declare_shortcut_reason_{run}",
    )  # fmt: skip
    return margin, ((path, reason),)


def _thresholds(chosen: Context, run: str) -> tuple[tuple[str, float], ...]:
    """Let the reader set thresholds; one that is being explored stands there already."""
    declared = dict(chosen.evidence["policy"].get("thresholds") or {})
    names = list(dict.fromkeys(key.name for key in output_keys(chosen.evidence)))
    explored = state.exploring(chosen.subject)
    if explored is not None:
        declared[chosen.output.name] = explored
    st.caption(
        "Thresholds on the predicted risk, the same for every model; leave one empty to keep the "
        "models' own."
    )
    given = []
    for column, name in zip(st.columns(max(len(names), 3)), names, strict=False):
        value = column.number_input(
            f"Threshold: {humanised(name)}", min_value=0.0, max_value=1.0,
            value=declared.get(name), step=0.005, format="%.3f", placeholder="the model's own",
            key=f"declare_threshold_{name}_{run}_{numbers.number(declared.get(name))}",
        )  # fmt: skip
        if value is not None:
            given.append((name, value))
    return tuple(given)
