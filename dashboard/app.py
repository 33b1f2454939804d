"""Entry point of the app: page settings and navigation; the pages do the rest."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import identity, warming
from dashboard.views.ahead import fetch_ahead
from dashboard.views.entrance import denied, sign_in_page

HERE = Path(__file__).parent

st.set_page_config(
    page_title="Auscult",
    page_icon=str(HERE / "static" / "favicon.svg"),  # a material icon would call fonts.gstatic.com
    layout="wide",
    menu_items={"about": "Auscult describes models. It is not for primary diagnosis."},
)
st.logo(str(HERE / "static" / "logo.svg"), size="large")
st.html(HERE / "static" / "style.css")

person = identity.current()
page = st.navigation(
    [
        st.Page(HERE / "app_pages" / f"{file}.py", title=title, url_path=path, default=first)
        for file, title, path, first in (
            ("overview", "Overview", "overview", True),
            ("case_review", "Case review", "case", False),
            ("bias_audit", "Bias audit", "bias", False),
            ("compare", "Compare versions", "compare", False),
            ("reports", "Reports", "reports", False),
            ("about", "About", "about", False),
        )
    ],
    position="hidden" if person is None else "top",  # a link must find its page all the same
)
if person is None:
    sign_in_page()
elif identity.may_open(person, page.url_path):
    with warming.page():
        page.run()
        fetch_ahead()
    warming.after_first_page(HERE / "app_pages")
else:
    denied(person, page.url_path, page.title)
