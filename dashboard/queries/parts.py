"""What a case's explanation over time or over a text is drawn on: the study's own values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.queries.runs import RunRef
from dashboard.queries.sources import case_study, run_model, run_study

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.parts.evidence import Change
    from model_adapters.base import Feature


def measured_variables(ref: RunRef) -> dict[str, Feature]:
    """Return what the study says of the variables of its sequences, by name."""
    study = case_study(ref, None)
    return {feature.name: feature for feature in study.measured} if study else {}


def case_sequence(ref: RunRef, case: str, field: str) -> pd.DataFrame | None:
    """Return the measurements of a case, or None where the study is gone.

    Raises:
        StudyError: The study has no such input.
    """
    study = run_study(ref)
    return study.sequence(case, field) if study is not None else None


def hours_of(rows: pd.DataFrame, timeline: Mapping[str, Any]) -> tuple[float, ...]:
    """Return when measurements were made, in hours since the window of an explanation began."""
    from audits.explanations.parts.windows import hours_since_epoch

    hours = hours_since_epoch(rows["time"], timeline["unit"]) - timeline["origin"]
    return tuple(float(hour) for hour in hours)


def case_note(ref: RunRef, case: str, field: str) -> str | None:
    """Return the note of a case, or None where there is none or the study is gone.

    Raises:
        StudyError: The study has no such input.
    """
    study = case_study(ref, case)
    return study.note(case, field) if study is not None else None


@st.cache_data(max_entries=64, show_spinner=False)
def case_change(ref: RunRef, model: str, case: str, output: str, hours: float) -> Change | None:
    """Return what changed since a prediction some hours earlier; nothing is kept in the run.

    Raises:
        PackageError: The model or the case cannot be opened.
    """
    from audits.explanations.parts.changes import change_of_case

    study, adapter = run_study(ref), run_model(ref, model)
    if study is None or adapter is None:
        return None
    return change_of_case(study, adapter, case, output=output, hours=hours)
