"""Case review: why this prediction, how far to trust it, how the model does for such patients."""

from __future__ import annotations

import streamlit as st

from dashboard.views import context, states
from dashboard.views.case_head import case_head, prediction_part
from dashboard.views.case_list import case_list
from dashboard.views.case_why import why_part
from dashboard.views.elements import provenance
from dashboard.views.own_groups import own_groups_part

chosen = context.pick(
    "Case review",
    "Why did the model give this patient this risk, and how far may I trust it?",
)
if chosen:
    states.review_banner()
    left, right = st.columns([1, 2.6], gap="medium")
    with left, states.guarded("The cases cannot be listed"):
        case = case_list(chosen)
    with right:
        if case is None:
            states.empty(
                "Choose a case",
                "Pick a row of the list, or type a case id. Filters find missed cases, false "
                "alarms and calls that another version makes differently.",
            )
        else:
            with states.guarded("This case cannot be shown"):
                facts = case_head(chosen, case)
                if facts is not None:
                    prediction_part(chosen, facts)
                    with states.guarded("The prediction cannot be explained"):
                        why_part(chosen, facts)
                    with states.guarded("The patient's groups cannot be shown"):
                        own_groups_part(chosen, facts)
    provenance(chosen.evidence)
