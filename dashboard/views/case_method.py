"""A second opinion on a map: the same score, explained by another method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.evidence import modalities_read
from dashboard.queries import case_inputs, explanations, recordings, sources
from dashboard.views import states
from dashboard.words import word

if TYPE_CHECKING:
    from dashboard.views.context import Context

SECONDS = {"region_shapley", "rise", "expected_gradients", "smoothgrad", "integrated_gradients"}


def chosen_method(chosen: Context, model: str, *, beside: bool) -> str:
    """Let the reader choose how an image or a recording is explained.

    The model is opened for the list of its methods only once the reader asks for it.

    Args:
        chosen: Run and output.
        model: Model key.
        beside: Whether another version stands beside: both are then explained alike, by default.

    Returns:
        Name of a method, or empty for the model's default one.
    """
    has_map = case_inputs.image_field(chosen.ref) or recordings.signal_field(chosen.ref)
    if (
        beside
        or not has_map
        or not _reads_maps(chosen, model)
        or sources.model_folder(chosen.ref, model) is None
    ):
        return ""
    if not st.toggle("Another map method", key=f"other_method_{model}", persist_state="session"):
        return ""
    with states.guarded("The methods of this model cannot be listed"):
        offered = explanations.methods_offered(chosen.ref, model)
        picked: str = st.selectbox(
            "Method",
            offered,
            format_func=lambda name: word("method", name).label,
            key=f"method_{model}",
            width=360,
        )
        if picked in SECONDS:
            st.caption("This method asks the model some hundred times: it can take a minute.")
        return "" if picked == offered[0] else picked
    return ""


def _reads_maps(chosen: Context, model: str) -> bool:
    """Return whether a model takes images or recordings, whatever else the study holds."""
    given = modalities_read(chosen.evidence, model)
    return not given or bool({"image", "signal"} & given)
