"""What if: other values, and at once what the model's output would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from audits.errors import PackageError
from dashboard import series
from dashboard.evidence import modalities_read, model_label
from dashboard.numbers import signed
from dashboard.queries import explanations, what_if
from dashboard.queries.cases import CaseFacts
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import unit_label

if TYPE_CHECKING:
    from audits.explanations.counterfactual import Search
    from audits.explanations.plausible import Plausible
    from audits.explanations.result import Score

AT_FIRST = 4
SETTABLE = {"table", "sequence"}
"""Kinds of input that hold single values a reader can set."""
NOT_MEASURED = "not measured"


def what_if_part(chosen: Context, facts: CaseFacts) -> None:
    """Let the reader set several variables within plausible ranges and see the output move."""
    if chosen.model is None:
        states.empty(
            "No what-if without the model",
            "This run audits a table of predictions. Audit a study with the model's folder to ask "
            "the model about other values.",
        )
        return
    read = modalities_read(chosen.evidence, chosen.model)
    if read and not read & SETTABLE:
        states.empty(
            "No value to change",
            f"{model_label(chosen.model)} reads {' and '.join(sorted(read))} alone. What-if asks "
            "models that read values: a table, or measurements over time.",
        )
        return
    key = (chosen.ref, chosen.model, facts.case, chosen.output.name)
    try:
        known = what_if.plausible(*key)
    except PackageError as error:
        states.problem("The model cannot be asked about other values", str(error))
        return
    own = what_if.own_values(*key)
    st.caption(
        "Set other values and read what **the model's output would be**. It says nothing about "
        "what would happen to the patient: the model has learnt associations, not effects of "
        "treatment."
    )
    picked = st.multiselect(
        "Variables to change",
        list(known),
        default=_first(chosen, facts, known, own),
        format_func=lambda name: known[name].label,
        key=f"what_if_{facts.case}",
    )
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        changes = _controls(facts.case, picked, known, own)
    with right, states.guarded("The model cannot be asked"):
        _answer(chosen, key, changes, known)
    _search(key, known)


def _first(
    chosen: Context, facts: CaseFacts, known: Mapping[str, Plausible], own: Mapping[str, Any]
) -> list[str]:
    """Return the measured variables to start with: those that moved this score most."""
    try:
        found = explanations.case_explanation(
            chosen.ref, chosen.model or "", facts.case, chosen.output.name
        )
        players = sorted(found.entry.get("players") or [], key=lambda p: -abs(p["effect"]))
    except PackageError:
        players = []
    ranked = [p["name"] for p in players if own.get(p["name"]) is not None and p["name"] in known]
    acted_on = [name for name in ranked if known[name].actionable]
    return (acted_on or ranked or list(known))[:AT_FIRST]


def _controls(
    case: str, picked: Sequence[str], known: Mapping[str, Plausible], own: Mapping[str, Any]
) -> dict[str, float | str | None]:
    """Show one control per variable and return what differs from the patient's own values."""
    changes: dict[str, float | str | None] = {}
    for name in picked:
        variable = known[name]
        value = _control(case, variable, own.get(name))
        before = own.get(name)
        if variable.levels and before is not None:
            before = str(before)
        if value != before:
            changes[name] = value
    return changes


def _control(case: str, variable: Plausible, own: Any) -> float | str | None:
    key = f"what_if_{case}_{variable.name}"
    unit = unit_label(variable.unit)
    label = f"{variable.label} ({unit})" if unit else variable.label
    if variable.low is None or variable.high is None:
        options = [*variable.levels, NOT_MEASURED]
        at = options.index(str(own)) if own is not None and str(own) in options else -1
        value = st.selectbox(label, options, index=at % len(options), key=key)
        return None if value == NOT_MEASURED else value
    shown = series.value_text(None if own is None else float(own), variable.unit)
    measured = own is not None
    if not measured:
        measured = st.checkbox(f"{label}: measure it", key=f"{key}_measured")
        if not measured:
            return None
    low, high = variable.low, variable.high
    start = low + (high - low) / 2 if own is None else float(own)
    low, high = min(low, start), max(high, start)
    step = 1.0 if variable.whole else _step(high - low)
    told = f"This patient: {shown}"
    return float(st.slider(label, low, high, start, step=step, format="%.4g", key=key, help=told))


def _step(width: float) -> float:
    """Return a step of a hundredth of the range, rounded to 1, 2 or 5."""
    step = 1.0
    while step > width / 50:
        step /= 10
    return next(one * step for one in (5, 2, 1) if one * step <= max(width / 50, step))


def _answer(
    chosen: Context,
    key: tuple[Any, str, str, str],
    changes: Mapping[str, float | str | None],
    known: Mapping[str, Plausible],
) -> None:
    score = what_if.opened_case(*key).score
    if not changes:
        st.metric("The model's output is", _told(score))
        st.caption("Move a value to see what it would be.")
        return
    inside = {n: v for n, v in changes.items() if _plausible(known[n], v)}
    found = what_if.asked(*key, inside)
    st.metric(
        "The model's output would be",
        _told(found.after),
        delta=_moved(found.before, found.after),
        delta_color="off",
    )
    threshold = chosen.entry["threshold"]["value"]
    if threshold is not None and found.after.probability is not None:
        was, would = ((s.probability or 0.0) >= threshold for s in (found.before, found.after))
        if was != would:
            crossed = "above" if would else "below"
            st.markdown(f":orange-badge[◆ Another call] It would be {crossed} the threshold.")
    show_table(
        [
            {
                "Variable": known[name].label,
                "This patient": series.value_text(before, known[name].unit),
                "Set to": series.value_text(after, known[name].unit),
            }
            for name, (before, after) in found.changes.items()
        ],
        alt="Changed variables, before and after",
    )


def _plausible(variable: Plausible, value: float | str | None) -> bool:
    if variable.low is None or variable.high is None or not isinstance(value, float):
        return True
    return variable.low <= value <= variable.high


def _search(key: tuple[Any, str, str, str], known: Mapping[str, Plausible]) -> None:
    st.markdown("**What would have to differ for another call?**")
    flag = f"what_if_search_{key[1]}_{key[2]}"
    actionable = [one.label for one in known.values() if one.actionable]
    if not actionable:
        st.caption("No variable of this study is declared modifiable, so nothing is searched.")
        return
    st.caption(f"Searches modifiable variables only: {', '.join(actionable)}.")
    if st.button("Look for small changes", icon=":material/search:", key=f"{flag}_button"):
        st.session_state[flag] = True
    if not st.session_state.get(flag):
        return
    with st.spinner("Asking the model about plausible changes"):
        found = what_if.searched(*key)
    _tell(found, known)


def _tell(found: Search, known: Mapping[str, Plausible]) -> None:
    if not found.found:
        st.info(found.message, icon=":material/search_off:")
        return
    rows = []
    for one in found.found:
        changes = [
            f"{known[n].label} {series.value_text(a, known[n].unit)} → "
            f"{series.value_text(b, known[n].unit)}"
            for n, (a, b) in one.changes.items()
        ]
        rows.append(
            {
                "With": "; ".join(changes),
                "The model's output would be": _told(one.after),
                "Distance to a real patient": f"{one.distance:.2f}",
            }
        )
    show_table(rows, alt="Small changes after which the model's call would be another one")
    st.caption(
        f"{found.message} {found.tried:,} sets of changes tried in {found.seconds:.1f} s; distance "
        "1 is as far as real patients are from each other (95th percentile)."
    )


def _told(score: Score) -> str:
    if score.probability is not None:
        return f"{100 * score.probability:.1f} %"
    value = score.value if score.value is not None else score.logit
    return "not available" if value is None else f"{value:.4g}"


def _moved(before: Score, after: Score) -> str:
    if before.probability is not None and after.probability is not None:
        return signed(after.probability - before.probability, "percent")
    return signed((after.value or after.logit or 0.0) - (before.value or before.logit or 0.0))
