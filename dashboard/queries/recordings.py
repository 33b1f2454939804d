"""The recording of a case, for studies whose cases are signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.queries.runs import RunRef
from dashboard.queries.sources import case_study, kept_study

if TYPE_CHECKING:
    from model_adapters.base import SignalValue


def signal_field(ref: RunRef) -> str | None:
    """Return the name of the study's signal input, or None."""
    study = case_study(ref, None)
    if study is None:
        return None
    return next((name for name, one in study.inputs.items() if one.modality == "signal"), None)


@st.cache_resource(max_entries=24, show_spinner=False)
def case_signal(ref: RunRef, case: str, field: str) -> SignalValue:
    """Return the recording of a case.

    Raises:
        StudyError: The recording is not shipped or does not open.
        ExplanationError: The study folder is gone.
    """
    return kept_study(ref, case, "recordings").signal(case, field)
