"""Complete the explanation of a segmentation: what was asked, how large it is, what moves it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from audits.explanations.result import CaseExplanation
from audits.explanations.segmentation.facts import RegionFacts, region_facts, size_effects
from audits.explanations.segmentation.regions import Mask, on_model
from audits.explanations.segmentation.scores import RegionScores
from audits.types import Finding

if TYPE_CHECKING:
    from audits.explanations.request import Request

ASKED = {
    "mask": "the pixels that the model segments",
    "reference": "the pixels of the study's mask",
    "box": "the pixels of a box",
    "pixel": "one pixel",
}
PLANE, VOLUME = 2, 3
MM3_PER_ML = 1000.0


def with_region(request: Request, explanation: CaseExplanation) -> CaseExplanation:
    """Return the explanation with what it is about; unchanged for models of scores.

    Args:
        request: The case.
        explanation: Its explanation.
    """
    scores, spatial = request.adapter, explanation.map
    if not isinstance(scores, RegionScores) or request.region is None or spatial is None:
        return explanation
    native = _native_shape(request, spatial.field)
    geometry = scores.geometry(spatial.field, native)
    reference = _reference(request, native)
    target = None if reference is None else on_model(reference, geometry)
    size, unit, notes = _pixel_size(request, spatial.field, native, geometry)
    facts = region_facts(
        scores,
        request.prepared,
        request.index,
        spatial.native,
        text=request.region.text,
        target=target,
        pixel_size=(size, unit),
        seed=request.seed,
    )
    return replace(
        explanation,
        region=facts,
        estimand=f"{explanation.estimand} Explained is the mean over {_asked(request, facts)}.",
        map=replace(spatial, extra=_extra(request, explanation, target, size, geometry)),
        findings=(*explanation.findings, *_findings(request, facts, notes)),
    )


def _asked(request: Request, facts: RegionFacts) -> str:
    assert request.region is not None  # noqa: S101 - the caller has looked
    return f"{ASKED[request.region.kind]} ({facts.text}, {facts.pixels:,} on the model's grid)"


def _extra(
    request: Request,
    explanation: CaseExplanation,
    target: Mask | None,
    size: float,
    geometry: Any,
) -> dict[str, npt.NDArray[Any]]:
    """Return what the model segments on the stored image, and effects of boxes on its size."""
    scores: Any = request.adapter
    values = scores.pixels(request.prepared)[0, request.index]
    inside = geometry.to_native(values) >= scores.cuts()[request.index]
    extra: dict[str, npt.NDArray[Any]] = {"segmented": inside}
    if explanation.method == "occlusion":
        from audits.explanations.pixels.boxes import tiles

        boxes = tiles(tuple(request.prepared[scores.inputs[0].name].shape[2:]))
        lost = size_effects(
            scores, request.prepared, request.index, boxes, target=target, pixel_size=size
        )
        extra |= {"size_effect": lost[0], "dice_effect": lost[1]}
    return extra


def _native_shape(request: Request, field: str) -> tuple[int, ...]:
    image = request.raw[field][0]
    shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    return tuple(int(size) for size in shape)


def _reference(request: Request, native: tuple[int, ...]) -> Mask | None:
    from audits.explanations.request import reference_of

    mask = reference_of(request.study, request.adapter, request.case, request.output)
    return mask if mask is not None and mask.shape == native else None


def _pixel_size(
    request: Request, field: str, native: tuple[int, ...], geometry: Any
) -> tuple[float, str, str | None]:
    """Return the size of a pixel of the model's grid, its unit, and what must be said of it."""
    per_axis = [n / extent for n, extent in zip(native, geometry.extent, strict=True)]
    spacing = _spacing(request, field)
    if spacing is None or len(spacing) != len(native):
        note = "The image does not say its pixels' spacing, so the size is in pixels."
        return math.prod(per_axis), "pixels", note
    size = math.prod(one * mm for one, mm in zip(per_axis, spacing, strict=True))
    return (size / MM3_PER_ML, "mL", None) if len(native) == VOLUME else (size, "mm²", None)


def _spacing(request: Request, field: str) -> tuple[float, ...] | None:
    ask = getattr(request.study, "image", None)
    if ask is None:
        return None
    found: tuple[float, ...] | None = ask(request.case, field).spacing_mm
    return found


def _findings(request: Request, facts: RegionFacts, note: str | None) -> list[Finding]:
    where = f"explanation.{request.case}"
    found = [] if note is None else [Finding(severity="info", where=where, message=note)]
    if facts.size == 0 and facts.text == "mask":
        message = (
            f"The model segments no {request.output} here; explained is its most probable pixel."
        )
        found.append(Finding(severity="info", where=where, message=message))
    return found
