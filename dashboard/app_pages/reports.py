"""Reports: what may leave, what it states and lacks, who signs it, and whether it is unaltered."""

from __future__ import annotations

import streamlit as st

from dashboard.identity import current
from dashboard.views import context, states
from dashboard.views.context import Context
from dashboard.views.elements import provenance
from dashboard.views.report_parts import (
    case_part,
    download_part,
    model_part,
    profile_part,
    requirement_part,
    skipped_part,
    verify_part,
)
from dashboard.views.sections import section
from dashboard.views.sign_parts import signoff_part

PARTS = {
    "exports": "Exports",
    "signing": "Sign-off",
    "states": "What the evidence states",
    "models": "Models and skipped cases",
}


def _exports(chosen: Context, profiles: list[str]) -> None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        with states.guarded("The exports cannot be offered"):
            download_part(chosen, profiles)
        with states.guarded("The run cannot be verified"):
            verify_part(chosen)
    with right, states.guarded("The exports of a case cannot be offered"):
        case_part(chosen)


def _models(chosen: Context) -> None:
    with states.guarded("The models cannot be described"):
        model_part(chosen)
    with states.guarded("The skipped cases cannot be listed"):
        skipped_part(chosen)


chosen = context.pick(
    "Reports",
    "What do I file, what does it still lack, who signs it, and is it unaltered?",
    with_output=False,
    with_model=False,
)
if chosen:
    profiles = profile_part(chosen)
    person = current()
    # Who gives no more than a signature sees what is signed and takes no file away.
    shown = {k: v for k, v in PARTS.items() if k != "exports" or (person and person.may("export"))}
    with section(shown) as part:
        if part == "exports":
            _exports(chosen, profiles)
        elif part == "signing":
            with states.guarded("The sign-off cannot be shown"):
                signoff_part(chosen, profiles)
        elif part == "states":
            with states.guarded("The requirements cannot be listed"):
                requirement_part(chosen, profiles)
        else:
            _models(chosen)
    provenance(chosen.evidence)
