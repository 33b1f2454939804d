"""The image of a case with its map, handed to the viewer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from dashboard.components.image_viewer import MapLayer, Picture, Window, image_viewer, pack
from dashboard.queries import case_inputs, explanations
from dashboard.queries.maps import legend
from dashboard.views.case_region import ask_for_pixel
from dashboard.words import label, notice

if TYPE_CHECKING:
    from audits.cohorts import StudyImage
    from audits.cohorts.images import Window as ImageWindow
    from dashboard.queries.cases import CaseFacts
    from dashboard.queries.explanations import Explanation
    from dashboard.queries.runs import RunRef
    from dashboard.views.context import Context

SIDES = {"L": "left", "R": "right", "B": "both", "U": "unpaired"}
CURVE = 1024
"""Points of a look-up table that travel to the browser at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The whole key of what the viewer shows.

    Attributes:
        ref: The run.
        model: Model key.
        case: Case id.
        output: Name of the output.
        field: Name of the image input.
        flagged: Whether the case was flagged, or none can be; otherwise the map starts hidden.
        verdict: What the checks say; a map that is checked meanwhile is another picture. None
            for the image alone.
        scale: Magnitude at which the colours end, where another version stands beside.
        region: Of a segmentation, which pixels are explained; empty for what the model segments.
        method: How the map was made; empty for the model's default method.
    """

    ref: RunRef
    model: str
    case: str
    output: str
    field: str
    flagged: bool
    verdict: str | None
    scale: float | None = None
    region: str = ""
    method: str = ""


def show_image(  # noqa: PLR0913 - what is shown, and beside what
    chosen: Context,
    facts: CaseFacts,
    field: str,
    model: str,
    found: Explanation | None,
    *,
    scale: float | None = None,
    region: str = "",
    method: str = "",
) -> None:
    """Show the image, with the map where there is one.

    Args:
        chosen: Run and output.
        facts: The case.
        field: Name of the image input.
        model: Model key.
        found: Its explanation, if any.
        scale: Magnitude at which the map's colours end, where another version stands beside.
        region: Of a segmentation, which pixels are explained.
        method: How the map was made; empty for the model's default method.
    """
    without = chosen.entry["threshold"]["value"] is None  # nothing can be flagged
    flagged = without or facts.outcome in {"true_positive", "false_positive"}
    payload = _payload(
        Shown(
            ref=chosen.ref,
            model=model,
            case=facts.case,
            output=chosen.output.name,
            field=field,
            flagged=flagged,
            verdict=None if found is None else explanations.reliability(found.entry),
            scale=scale,
            region=region,
            method=method,
        )
    )
    pixel = image_viewer(payload, key=f"viewer_{model}")
    if pixel is not None and found is not None and found.segmented is not None:
        ask_for_pixel(chosen, model, facts.case, pixel)
    image = case_inputs.case_image(chosen.ref, facts.case, field)
    _tell(image.notes, found)
    if image.spacing_mm is None:
        st.caption("No scale bar: the image does not state its pixel spacing.")
    if found is None or found.patient is None:
        st.caption("Image without a map.")


def _tell(notes: tuple[str, ...], found: Explanation | None) -> None:
    """Show what must be known of the image and of its map, such as that it stands for another."""
    told = [] if found is None else [one["message"] for one in found.entry.get("findings") or []]
    for note in dict.fromkeys((*notes, *told)):
        st.caption(note)


@st.cache_resource(max_entries=24, show_spinner=False)
def _payload(shown: Shown) -> bytes:
    image = case_inputs.case_image(shown.ref, shown.case, shown.field)
    layer = drawn = None
    if shown.verdict is not None:
        found = explanations.case_explanation(
            shown.ref,
            shown.model,
            shown.case,
            shown.output,
            region=shown.region,
            method=shown.method,
        )
        layer = _layer(found, shown) if found.patient is not None else None
        drawn = found.segmented
    mask = case_inputs.reference_mask(shown.ref, shown.case, shown.field, shown.output)
    fits = mask is not None and mask.shape == image.pixels.shape[: mask.ndim]
    picture = _picture(image, shown.model, shown.case)
    seen = mask if fits else None
    return pack(replace(picture, reference=seen, predicted=drawn, pick=drawn is not None), layer)


def _layer(found: Explanation, shown: Shown) -> MapLayer:
    entry = found.entry
    assert found.patient is not None  # noqa: S101 - the caller has looked
    failed = shown.verdict == "fails"
    asked = shown.flagged or found.segmented is not None  # a segmentation flags pixels, not cases
    size = "×".join(str(side) for side in entry["map"]["native_size"])
    told = legend(shown.ref, shown.model, entry, shared=shown.scale)
    note = f"{label('method', entry['method'])}, {size} cells. Orange: {told.high}; "
    note += f"blue (dashed): {told.low}. {notice('map')}"
    if failed:
        note = "This map fails its check and is drawn grey: do not read it."
    elif not asked:
        note += " Not flagged, so the map starts hidden."
    mode: Literal["contour", "off"] = "contour" if asked and not failed else "off"
    return MapLayer(
        values=found.patient,
        scale=told.scale,
        note=note,
        unit=told.unit,
        scale_note=told.holds_for,
        mode=mode,
        failed=failed,
    )


def _picture(image: StudyImage, model: str, case: str) -> Picture:
    spacing = image.spacing_mm[-2:] if image.spacing_mm else None
    facing = image.orientation
    told = ", ".join(_facts(image))
    return Picture(
        pixels=image.pixels,
        low=image.low,
        high=image.high,
        key=f"{model}/{case}",
        alt=f"Image of case {case}{f', {told}' if told else ''}",
        facts=f"{told[:1].upper()}{told[1:]}",
        colour=image.colour,
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
        slice_spacing=(
            float(image.spacing_mm[0]) if image.spacing_mm and image.is_volume else None
        ),
        orientation=(
            {
                "left": facing.left,
                "right": facing.right,
                "top": facing.top,
                "bottom": facing.bottom,
            }
            if facing
            else None
        ),
        unit=image.unit,
        slices_toward=image.slices_toward,
        windows=tuple(_window(w) for w in image.windows),
    )


def _facts(image: StudyImage) -> list[str]:
    """Return how an image was taken and shown, in words."""
    side = SIDES.get(image.laterality or "", image.laterality or "")
    facts = [f"view {image.view}" if image.view else "", f"side: {side}" if side else ""]
    if image.inverted_about is not None:
        facts.append("stored with low values white and turned round here, so dense is white")
    return [fact for fact in facts if fact]


def _window(window: ImageWindow) -> Window:
    table = window.table
    if table is not None and len(table) > CURVE:
        places = np.linspace(0, len(table) - 1, CURVE)
        table = np.interp(places, np.arange(len(table)), table).astype(np.float32)
    return Window(
        label=window.label,
        low=window.low,
        high=window.high,
        sigmoid=window.shape == "sigmoid",
        table=() if table is None else tuple(round(float(grey), 5) for grey in table),
    )
