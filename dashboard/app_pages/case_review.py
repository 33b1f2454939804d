"""Case review: why this prediction, how far to trust it, how the model does for such patients."""

from __future__ import annotations

import streamlit as st

from dashboard.queries.ahead import open_ahead
from dashboard.queries.cases import CaseFacts
from dashboard.views import context, states
from dashboard.views.case_head import case_head, prediction_part
from dashboard.views.case_list import case_list
from dashboard.views.case_review_parts import (
    blind_toggle,
    estimate_part,
    given_estimate,
    opinion_part,
    told_estimate,
)
from dashboard.views.case_values import values_part
from dashboard.views.case_why import why_part
from dashboard.views.context import Context
from dashboard.views.elements import provenance
from dashboard.views.own_groups import own_groups_part
from dashboard.views.sections import section
from dashboard.views.similar_part import similar_part
from dashboard.views.what_if_part import what_if_part

PARTS = {
    "why": ("Why this score", why_part),
    "own_groups": ("This patient's own groups", own_groups_part),
    "what_if": ("What if", what_if_part),
    "similar": ("Similar patients", similar_part),
    "opinion": ("Your opinion", opinion_part),
}


def _case(chosen: Context, case: str, *, blind: bool) -> None:
    facts = case_head(chosen, case)
    if facts is None:
        return
    given = given_estimate(chosen, case) if blind else None
    if blind and given is None:
        estimate_part(chosen, facts)
        with states.guarded("The values of this case cannot be shown"):
            values_part(chosen, facts)
        return
    if given is not None:
        told_estimate(given, facts)
    prediction_part(chosen, facts)
    _parts(chosen, facts)


def _parts(chosen: Context, facts: CaseFacts) -> None:
    titles = {name: title for name, (title, _) in PARTS.items()}
    with section(titles) as part, states.guarded(f"{titles[part]}: this part cannot be shown"):
        PARTS[part][1](chosen, facts)


chosen = context.pick(
    "Case review",
    "Why did the model give this patient this risk, and how far may I trust it?",
)
if chosen:
    states.review_banner()
    left, right = st.columns([1, 2.6], gap="medium")
    with left, st.container(key="find_case"), states.guarded("The cases cannot be listed"):
        blind = blind_toggle()
        case = case_list(chosen, blind=blind)
    with right:
        if case is None:
            states.empty(
                "Choose a case",
                "Pick a row of the list, or type a case id. Filters find missed cases, false "
                "alarms and calls that another version makes differently.",
            )
        else:
            with states.guarded("This case cannot be shown"):
                _case(chosen, case, blind=blind)
    provenance(chosen.evidence)
    open_ahead(chosen.ref, chosen.model)
