"""What the model's output would be with other values, asked of the model itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from audits.errors import ExplanationError
from dashboard.queries.runs import RunRef, load_run
from dashboard.queries.sources import run_model, run_study

if TYPE_CHECKING:
    from audits.explanations.counterfactual import Search
    from audits.explanations.plausible import Plausible
    from audits.explanations.request import Request
    from audits.explanations.what_if import WhatIf


@st.cache_resource(max_entries=12, show_spinner=False)
def opened_case(ref: RunRef, model: str, case: str, output: str) -> Request:
    """Return a case with its model, ready to be asked.

    Raises:
        ExplanationError: The folder of the study or the model is gone.
    """
    from audits.explanations.request import open_request

    adapter, study = run_model(ref, model), run_study(ref)
    if adapter is None or study is None:
        raise ExplanationError(
            f"Case {case}: the folder of {'the study' if study is None else model} is gone, so "
            "the model cannot be asked; put it back."
        )
    seed = int(load_run(ref).evidence["run"]["seed"])
    return open_request(study, adapter, case, output=output, seed=seed)


@st.cache_resource(max_entries=12, show_spinner=False)
def plausible(ref: RunRef, model: str, case: str, output: str) -> dict[str, Plausible]:
    """Return what each of the model's variables may be set to."""
    from audits.explanations.edits import plausible_of

    return plausible_of(opened_case(ref, model, case, output))


def own_values(ref: RunRef, model: str, case: str, output: str) -> Mapping[str, Any]:
    """Return the case's own values of the model's variables; missing ones are None."""
    from audits.explanations.edits import own_values as values_of

    return values_of(opened_case(ref, model, case, output))


def asked(
    ref: RunRef, model: str, case: str, output: str, changes: Mapping[str, float | str | None]
) -> WhatIf:
    """Return what the model's output would be with some values changed.

    Raises:
        ExplanationError: A value is not plausible.
    """
    from audits.explanations.what_if import what_if

    known = plausible(ref, model, case, output)
    return what_if(opened_case(ref, model, case, output), changes, known=known)


@st.cache_data(max_entries=32, show_spinner=False)
def searched(ref: RunRef, model: str, case: str, output: str) -> Search:
    """Look for small plausible changes after which the call would be another one.

    Raises:
        ExplanationError: No variable is declared actionable.
    """
    from audits.explanations.counterfactual import search_counterfactuals

    return search_counterfactuals(opened_case(ref, model, case, output))
