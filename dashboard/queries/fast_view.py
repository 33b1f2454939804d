"""The library's own contributions of a tree model: quick, and an answer to another question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from audits.errors import ExplanationError
from dashboard.queries.runs import RunRef
from dashboard.queries.sources import model_folder, run_model, run_study

METHOD = "tree_path"


@st.cache_resource(max_entries=16, show_spinner=False)
def has_fast_view(ref: RunRef, model: str) -> bool:
    """Return whether the model is one of trees with contributions of its own."""
    place = model_folder(ref, model)
    if place is None:
        return False
    from model_adapters import read_manifest

    return read_manifest(place).weights.format in {"xgboost", "lightgbm"}


@st.cache_data(max_entries=64, show_spinner=False)
def fast_view(ref: RunRef, model: str, case: str, output: str) -> Mapping[str, Any]:
    """Return the path-dependent explanation of one score.

    Raises:
        ExplanationError: The folder of the study or the model is gone.
    """
    from audits.explanations import explain_adapter_case

    adapter, study = run_model(ref, model), run_study(ref)
    if adapter is None or study is None:
        raise ExplanationError(
            f"Case {case}: the folder of {'the study' if study is None else model} is gone, so "
            "the fast view cannot be computed; put it back."
        )
    found = explain_adapter_case(study, adapter, case, output=output, method=METHOD)
    return found.to_dict()
