"""About: methods with formulas and sources, the glossary, limits and versions."""

from __future__ import annotations

import streamlit as st

from dashboard.views import context
from dashboard.views.about_parts import glossary_part, limits_part, methods_part, versions_part

context.header(
    "About", "What the numbers mean, where the methods come from, and what they cannot say."
)
left, right = st.columns([1.5, 1], gap="large")
with left:
    methods_part()
    glossary_part()
with right:
    limits_part()
    versions_part()
