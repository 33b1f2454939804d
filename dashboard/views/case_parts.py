"""Explanations by parts of an input: inputs as a whole, time, and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dashboard.charts.modalities import ModalityBar
from dashboard.views.case_note import show_note
from dashboard.views.case_timeline import show_timeline
from dashboard.views.elements import show_chart

if TYPE_CHECKING:
    from dashboard.views.context import Context


def show_parts(chosen: Context, entry: Mapping[str, Any], model: str) -> bool:
    """Show what an explanation says of inputs, of time and of text.

    Returns:
        Whether the list of players is told already, as sentences are on the note itself.
    """
    if entry.get("modalities"):
        unit = "log-odds" if entry["score"].get("logit") is not None else "units of the output"
        bar = ModalityBar(
            effects={one["label"]: one["effect"] for one in entry["modalities"]}, unit=unit
        )
        show_chart(bar, key=f"modalities_{model}")
    if entry.get("timeline"):
        show_timeline(chosen, entry, model)
    if entry.get("note"):
        show_note(chosen, entry, model)
    return bool(entry.get("note")) and not entry.get("modalities")
