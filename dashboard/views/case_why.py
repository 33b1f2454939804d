"""Why this score: the map over the image, or the effects of the clinical variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import numbers, state
from dashboard.evidence import modalities_read, model_label
from dashboard.queries import case_inputs, cases, explanations, recordings
from dashboard.queries.cases import CaseFacts
from dashboard.queries.explanations import Explanation
from dashboard.queries.side_by_side import Scale, shared_scale
from dashboard.views import states
from dashboard.views.case_checks import check_part
from dashboard.views.case_fast_view import fast_view_part
from dashboard.views.case_groups import curve_part, groups_part
from dashboard.views.case_image import show_image
from dashboard.views.case_list import versions_of
from dashboard.views.case_method import chosen_method
from dashboard.views.case_parts import show_parts
from dashboard.views.case_region import chosen_region, region_part
from dashboard.views.case_sensitivity import sensitivity_part
from dashboard.views.case_signal import show_signal
from dashboard.views.case_variables import show_variables
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.views.pickers import pick_one
from dashboard.words import Word, word

SAME = 0.005
"""Difference of two risks that rounding and another device may make."""
MOSTLY = 0.5
"""Off-support share above which it is said in words what that means."""


def why_part(chosen: Context, facts: CaseFacts) -> None:
    """Explain the chosen version's score, or every version's side by side."""
    if chosen.model is None:
        states.empty(
            "No explanation without the model",
            "This run audits a table of predictions. Audit a study with the model's folder to see "
            "which regions or variables moved a score.",
        )
        return
    beside = state.known(state.BESIDE)
    versions = versions_of(chosen)
    # A link from Compare versions names the version to stand beside, and asks for both.
    versions = versions[:1] + sorted(versions[1:], key=lambda one: one[0] != beside)
    linked = len(versions) > 1 and versions[1][0] == beside
    shown = versions[:1]
    if len(versions) > 1 and st.toggle(
        f"Side by side with {model_label(versions[1][0])}",
        value=linked,
        key=f"both_{beside}" if linked else "both",
        persist_state="session",
    ):
        shown = versions[:2]
    cohort = _pick_cohort(chosen, [model for model, _ in shown])
    models = [model for model, _ in shown]
    scale = shared_scale(chosen.ref, models, facts.case, chosen.output.name, cohort)
    if scale != Scale():
        st.caption("Both versions are drawn on one scale, the wider of the two.")
    columns = st.columns(len(shown), gap="medium")
    for column, (model, threshold) in zip(columns, shown, strict=True):
        own = cases.facts(chosen.ref, model, chosen.output.name, facts.case, threshold)
        with column, states.guarded(f"No explanation of {model_label(model)}"):
            if len(shown) > 1:
                st.markdown(f"**{model_label(model)}**")
            if own is None:
                st.caption("This version did not score the case.")
            else:
                _one(chosen, own, model, cohort, scale if len(shown) > 1 else None)


def _pick_cohort(chosen: Context, models: Sequence[str]) -> str:
    """Let the reader choose whom this patient is compared with, where values are explained.

    Text is compared with no text, and an image with its own baseline: no cohort changes them.
    """
    read = [modalities_read(chosen.evidence, model) for model in models]
    values = any(not one or one & {"table", "sequence"} for one in read)
    if not values or not case_inputs.variables(chosen.ref):
        return explanations.EVERYBODY
    offered = explanations.cohorts_offered(chosen.ref)
    if len(offered) <= 1:
        return explanations.EVERYBODY
    return pick_one(
        "Compared with",
        offered,
        key=state.COHORT,
        format_func=lambda name: word("cohort", name).label,
        width=360,
    )


def _one(chosen: Context, facts: CaseFacts, model: str, cohort: str, scale: Scale | None) -> None:
    """Explain one version; ``scale`` is what a second version beside it shares."""
    field = case_inputs.image_field(chosen.ref)
    region = chosen_region(chosen, model, facts.case)
    method = chosen_method(chosen, model, beside=scale is not None)
    problem: Exception | None = None
    found: Explanation | None = None
    with st.skeleton(height=320):
        try:
            found = explanations.case_explanation(
                chosen.ref, model, facts.case, chosen.output.name, cohort, region, method
            )
        except states.EXPECTED as error:
            problem = error
        if found is not None:
            reliability_badge(found.entry)
            _still_the_same(facts, found)
            wanted = explanations.Wanted(
                ref=chosen.ref,
                model=model,
                case=facts.case,
                output=chosen.output.name,
                cohort=cohort,
                region=region,
                method=method,
            )
            check_part(wanted, found.entry)
        if field is not None and _has_image(chosen, facts, model, found):
            extent = scale.map if scale else None
            show_image(
                chosen, facts, field, model, found, scale=extent, region=region, method=method
            )
        if found is not None:
            region_part(chosen, model, found.entry)
        recording = recordings.signal_field(chosen.ref)
        if recording is not None and (found is None or found.entry.get("map")):
            show_signal(chosen, facts, recording, model, found)
        told = found is not None and show_parts(chosen, found.entry, model)
        if found is not None and found.entry.get("players") and not told:
            show_variables(
                chosen,
                found.entry,
                model,
                narrow=scale is not None,
                extent=scale.effects if scale else None,
            )
            groups_part(found.entry["players"])
            curve_part(found.entry, model)
            sensitivity_part(found.entry)
            fast_view_part(chosen, facts.case, model)
    if problem is not None:
        states.problem(f"{model_label(model)} cannot be explained here", str(problem))
    if found is not None:
        method_note(found, model)


def _still_the_same(facts: CaseFacts, found: Explanation) -> None:
    """Say where a score computed now is not the run's: study or model are others than audited."""
    now = (found.entry.get("score") or {}).get("probability")
    if now is None or facts.risk is None or abs(now - facts.risk) <= SAME:
        return
    states.problem(
        "Not the audited score",
        f"The explained risk is {numbers.number(now, 'percent')}, that of the run "
        f"{numbers.number(facts.risk, 'percent')}: the study or the model has changed since the "
        "audit, so audit again before you read on.",
    )


def _has_image(chosen: Context, facts: CaseFacts, model: str, found: Explanation | None) -> bool:
    """Return whether an image belongs to what is explained, with or without a map over it."""
    read = modalities_read(chosen.evidence, model)
    if read and not read & {"image", "volume"}:
        return False
    if found is None or found.entry.get("map"):
        return True
    several = bool(found.entry.get("modalities"))
    return several and facts.case in case_inputs.imaged_cases(chosen.ref)


def reliability_badge(entry: Mapping[str, Any]) -> None:
    """Show, before the explanation itself, whether it may be read."""
    shown = word("check", explanations.reliability(entry))
    extra = [f"{shown.definition}"]
    # What tells something of the explanation comes before the residual, which proves the code.
    errors = [player["se"] for player in entry.get("players") or [] if player.get("se") is not None]
    if errors:
        largest = max(errors)
        extra.append(f"Largest standard error {largest:.3f}." if largest else "Effects are exact.")
    if entry.get("off_support_share") is not None:
        share = entry["off_support_share"]
        caution = ": most inputs it tried resemble no patient" if share > MOSTLY else ""
        extra.append(f"Off-support share {100 * share:.0f} %{caution}.")
    if entry.get("additivity_residual") is not None:
        extra.append(f"Additivity residual {100 * entry['additivity_residual']:.1f} %.")
    st.markdown(f"{shown.badge} {' '.join(extra)}")


def method_note(found: Explanation, model: str) -> None:
    """Show how the explanation was computed and what it means, once it is asked for."""
    method = word("method", found.entry["method"])
    title = f"How this was computed: {method.label}"
    note = st.expander(title, key=f"method_note_{model}", on_change="rerun")
    if note.open:
        with note:
            _method(found, method)


def _method(found: Explanation, method: Word) -> None:
    entry = found.entry
    st.markdown(f"{method.definition} {entry.get('estimand') or ''} {method.reference}")
    background = entry.get("background")
    if background:
        st.markdown(
            f"Background: {background['name']}, n {background['n']:,}, "
            f"`{numbers.short_hash(background['sha256'])}`."
        )
    layer = (entry.get("map") or {}).get("layer")
    if layer:
        size = "×".join(str(side) for side in entry["map"]["native_size"])
        st.markdown(f"Read at layer `{layer}`, {size} cells.")
    rows = [_check_row(check) for check in entry.get("checks", [])]
    if rows:
        show_table(rows, alt="Checks of this explanation")
    for finding in entry.get("findings", []):
        st.markdown(f"Note: {finding['message']}")
    if found.computed_now:
        st.caption("Computed for this view and kept in the store; not part of the run.")


def _check_row(check: Mapping[str, Any]) -> dict[str, str]:
    name = word("check_name", check["name"])
    here = f" Here: {check['detail']}." if check.get("detail") else ""
    return {
        "Check": name.label,
        "Outcome": word("check", check["verdict"]).badge,
        "Value": numbers.number(check.get("value")),
        "Beside": numbers.number(check.get("null")),
        "Meaning": f"{name.definition}{here}",
    }
