"""What was known of a patient, without anything that the model makes of it."""

from __future__ import annotations

import streamlit as st

from dashboard import series
from dashboard.queries import case_inputs
from dashboard.queries.cases import CaseFacts
from dashboard.views.case_image import show_image
from dashboard.views.case_variables import reference_flag
from dashboard.views.context import Context
from dashboard.views.elements import show_table


def values_part(chosen: Context, facts: CaseFacts) -> None:
    """Show a case's image and values as the study holds them: no map, no effect, no order."""
    field = case_inputs.image_field(chosen.ref)
    if field is not None and chosen.model is not None:
        show_image(chosen, facts, field, chosen.model, None)
    values = case_inputs.case_values(chosen.ref, facts.case)
    if not values:
        if field is None:
            st.write("The study's folder is gone, so the values of this case cannot be shown.")
        return
    rows = [
        {
            "Variable": feature.label,
            "Value": series.value_text(value, feature.unit),
            "Reference": reference_flag(value, feature.normal),
        }
        for feature, value in values
    ]
    half = -(-len(rows) // 2)
    for column, part in zip(st.columns(2, gap="medium"), (rows[:half], rows[half:]), strict=True):
        with column:
            if part:
                show_table(part, alt="Values of this patient as the study holds them")
