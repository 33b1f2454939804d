"""The image of a case with its map, handed to the viewer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard.components.image_viewer import MapLayer, Picture, Window, image_viewer, pack
from dashboard.queries import explanations
from dashboard.views.case_region import ask_for_pixel
from dashboard.words import label, notice

if TYPE_CHECKING:
    from audits.cohorts import StudyImage
    from dashboard.queries.cases import CaseFacts
    from dashboard.queries.explanations import Explanation
    from dashboard.queries.runs import RunRef
    from dashboard.views.context import Context


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
    image = explanations.case_image(chosen.ref, facts.case, field)
    for note in image.notes:
        st.caption(note)
    if image.spacing_mm is None:
        st.caption("No scale bar: the image does not state its pixel spacing.")
    if found is None or found.patient is None:
        st.caption("Image without a map.")


@st.cache_resource(max_entries=24, show_spinner=False)
def _payload(shown: Shown) -> bytes:
    image = explanations.case_image(shown.ref, shown.case, shown.field)
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
    mask = explanations.reference_mask(shown.ref, shown.case, shown.field, shown.output)
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
    note = f"{label('method', entry['method'])}, {size} cells. Orange raised the score, blue "
    note += f"(dashed) lowered it. {notice('map')}"
    if failed:
        note = "This map fails its check and is drawn grey: do not read it."
    elif not asked:
        note += " Not flagged, so the map starts hidden."
    mode: Literal["contour", "off"] = "contour" if asked and not failed else "off"
    return MapLayer(
        values=found.patient,
        scale=float(shown.scale or entry["map"].get("scale") or abs(found.patient).max() or 1.0),
        note=note,
        mode=mode,
        failed=failed,
    )


def _picture(image: StudyImage, model: str, case: str) -> Picture:
    spacing = image.spacing_mm[-2:] if image.spacing_mm else None
    facing = image.orientation
    told = ", ".join(part for part in (image.view, image.laterality) if part)
    return Picture(
        pixels=image.pixels,
        low=image.low,
        high=image.high,
        key=f"{model}/{case}",
        alt=f"Image of case {case}{f', {told}' if told else ''}",
        note=f"View {image.view}." if image.view else "",
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
        windows=tuple(Window(label=w.label, low=w.low, high=w.high) for w in image.windows),
    )
