"""Which pixels of a segmentation are explained, how large it is, and what moves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import numbers
from dashboard.views.elements import show_table

if TYPE_CHECKING:
    from dashboard.views.context import Context

REGION = "region"


def chosen_region(chosen: Context, model: str, case: str) -> str:
    """Return the pixel that the reader asked about, or empty for the whole segmentation."""
    kept: dict[tuple[str, str, str], str] = st.session_state.get(REGION, {})
    return kept.get((model, case, chosen.output.name), "")


def ask_for_pixel(chosen: Context, model: str, case: str, pixel: tuple[int, ...]) -> None:
    """Explain one pixel from now on, and draw the page again."""
    kept = st.session_state.setdefault(REGION, {})
    region = f"pixel:{','.join(map(str, pixel))}"
    key = (model, case, chosen.output.name)
    if kept.get(key) != region:
        kept[key] = region
        st.rerun()


def region_part(chosen: Context, model: str, entry: Mapping[str, Any]) -> None:
    """Show what is explained of a segmentation, its size, and what its strongest places do."""
    found = entry.get("region")
    if not found:
        return
    key = (model, str(entry["case"]), chosen.output.name)
    kept = st.session_state.setdefault(REGION, {})
    pixels = f"{found['pixels']:,} pixel{'' if found['pixels'] == 1 else 's'}"
    st.markdown(f"Explained: **{_asked(found['region'])}**, {pixels} of the model's grid.")
    if key in kept and st.button("Explain the whole segmentation", key=f"whole_{model}"):
        del kept[key]
        st.rerun()
    blanked, elsewhere = found["strongest_tenth_blanked"], found["elsewhere_blanked"]
    rows = [
        _row("As it is", found["size"], found["dice"], found["unit"]),
        _row("The map's strongest tenth blanked", **blanked, unit=found["unit"]),
        _row("A tenth elsewhere blanked (mean of 5)", **elsewhere, unit=found["unit"]),
    ]
    show_table(rows, alt="Size of the segmentation and its overlap")
    told = "Dice is measured on the model's grid here; that above, on the stored image."
    if found["dice_against"] == "prediction":
        told += " Of the blanked rows it is against the untouched prediction."
    st.caption(told)


def _asked(region: str) -> str:
    """Return a region as people say it."""
    kind, _, place = region.partition(":")
    if kind == "pixel":
        row, column = place.split(",")
        return f"the pixel in row {row}, column {column}"
    return {"mask": "what the model segments", "reference": "the study's mask"}.get(kind, region)


def _row(what: str, size: float, dice: float | None, unit: str) -> dict[str, str]:
    return {
        "Image": what,
        f"Segmented ({unit})": numbers.number(size),
        "Dice": numbers.number(dice),
    }
