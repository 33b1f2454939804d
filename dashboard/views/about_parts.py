"""Sections of the about page; every definition comes from the glossary."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import streamlit as st

from dashboard.views.elements import show_table
from dashboard.words import Section, glossary

SECTIONS: Final[tuple[tuple[str, Section], ...]] = (
    ("Measures", "metric"),
    ("Verdicts", "verdict"),
    ("Explanation methods", "method"),
    ("Checks of explanations", "check"),
    ("Terms", "term"),
)

LIBRARIES: Final = ("auscult", "streamlit", "plotly", "pandas", "numpy", "scipy", "torch", "shap")


def methods_part() -> None:
    """Show each method with formula and source."""
    st.header("Methods", anchor=False)
    for entry in glossary()["statistic"].values():
        method = st.expander(entry.label, key=f"method_{entry.label}", on_change="rerun")
        if method.open:  # a formula costs the browser more than the rest of the page
            method.write(entry.definition)
            method.latex(entry.formula)
            method.caption(entry.reference)


def glossary_part() -> None:
    """Show the glossary, one section at a time."""
    st.header("Glossary", anchor=False)
    titles = dict(SECTIONS)
    chosen = st.segmented_control(
        "Section", list(titles), default="Measures", required=True, key="glossary_section",
        label_visibility="collapsed",
    )  # fmt: skip
    words = glossary()[titles[chosen or "Measures"]].values()
    rows: list[dict[str, Any]] = []
    for entry in words:
        row = {"Word": f"{entry.symbol} **{entry.label}**".strip(), "Meaning": entry.definition}
        if entry.formula:
            row["Formula"] = f"`{entry.formula}`"
        if chosen == "Explanation methods":
            row["Source"] = entry.reference
        rows.append(row)
    show_table(rows, alt=f"Glossary: {chosen}")


def limits_part() -> None:
    """Show what the app cannot say."""
    with st.container(border=True):
        st.header("Limits", anchor=False)
        st.markdown("\n".join(f"- {entry.text}" for entry in glossary()["limit"].values()))


def versions_part() -> None:
    """Show the versions of what runs here."""
    with st.container(border=True):
        st.header("Versions", anchor=False)
        rows = [{"Library": name, "Version": _version(name)} for name in LIBRARIES]
        show_table(rows, alt="Versions of the libraries in use")
        st.caption("Licence Apache-2.0. The app makes no request to any other host.")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
