"""From a method's arrays to a map of a case in patient space."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from audits.explanations.attention import one_pass
from audits.explanations.cams.engine import MapEngine, spatial_field
from audits.explanations.pixels.occlusion import OcclusionEngine
from audits.explanations.propagation import ESTIMAND as PROPAGATION_ESTIMAND
from audits.explanations.propagation import METHOD as PROPAGATION
from audits.explanations.request import Request
from audits.explanations.result import CaseExplanation, Method, SpatialMap
from audits.explanations.spaces import UNITS
from audits.types import Finding
from model_adapters.base import SignalValue

if TYPE_CHECKING:
    from model_adapters.base import ImageValue, ModelAdapter

VOLUME_AXES = 3
SATURATED = 0.5
"""Share of pixels at the largest value from which the reader is told."""
CAM_ESTIMAND = (
    "Share of each cell of layer {layer} in {output}, first order, in {unit}; positive raises it. "
    "Cells do not add up to the score."
)
OCCLUSION_ESTIMAND = (
    "Fall of {output}, in {unit}, when a box is blanked with the image's own mean; positive "
    "supports it. Boxes that are large together are cut, the others share what they did together; "
    "they do not add up to the score."
)


def explain_by_one_pass(request: Request, method: Method) -> CaseExplanation:
    """Read a CAM or attention relevance; a model that shows none gets occlusion, and a finding."""
    return explain_by_engine(request, one_pass(request.adapter, method))


def explain_by_occlusion(request: Request, method: Method) -> CaseExplanation:  # noqa: ARG001 - one signature for all methods
    """Blank one box at a time."""
    field = spatial_field(request.adapter)
    return explain_by_engine(request, OcclusionEngine(adapter=request.adapter, field=field))


def explain_by_engine(request: Request, engine: MapEngine) -> CaseExplanation:
    """Run an engine on one case.

    Args:
        request: The case.
        engine: Any map engine of the same model.
    """
    _, maps = engine.forward_with_maps(request.prepared)
    return explanation_of_maps(request, engine, maps[0])


def explanation_of_maps(
    request: Request, engine: MapEngine, maps: npt.NDArray[np.float32]
) -> CaseExplanation:
    """Build the explanation from maps that were already computed.

    Args:
        request: The case.
        engine: The engine the maps came from.
        maps: (outputs, *grid) of this case, signed.
    """
    text = CAM_ESTIMAND if engine.layer else OCCLUSION_ESTIMAND
    if engine.method == PROPAGATION:
        text = PROPAGATION_ESTIMAND
    estimand = text.format(
        layer=engine.layer,
        output=request.output,
        unit=UNITS[request.adapter.output.space],
    )
    scale = float(np.abs(maps).max())
    spatial = spatial_map(
        request, engine.field, maps[request.index], scale=scale, layer=engine.layer
    )
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=cast("Method", engine.method),
        estimand=estimand,
        map=spatial,
        findings=(*request.findings(), *map_findings(request, engine.fallback, spatial)),
    )


def spatial_map(
    request: Request,
    field: str,
    values: npt.NDArray[np.floating],
    *,
    scale: float,
    layer: str | None,
) -> SpatialMap:
    """Bring one output's map to the grid of the stored image.

    Args:
        request: The case.
        field: The image input.
        values: The map on its own grid.
        scale: Magnitude at which the legend ends.
        layer: Where the map was read.
    """
    native = np.ascontiguousarray(values, dtype=np.float32)
    patient, image = patient_space(request, field, native)
    stored = request.raw[field][0]
    return SpatialMap(
        native=native,
        patient=patient,
        layer=layer,
        scale=scale,
        field=field,
        image=image,
        signal=stored if isinstance(stored, SignalValue) else None,
    )


def patient_space(
    request: Request, field: str, native: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None]:
    """Return the map on the stored image's grid, and the image on 0-1; None without a geometry.

    A map of a signal lies on its samples, and there is no image.
    """
    stored = request.raw[field][0]
    if isinstance(stored, SignalValue):
        geometry = getattr(request.adapter, "geometry", None)
        if geometry is None:
            return None, None
        shape = (stored.values.shape[1],)
        return geometry(field, shape, rate=stored.rate).to_native(native, shape), None
    image = cast("ImageValue", stored)
    shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    patient = patient_map(request.adapter, field, native, shape)
    return patient, None if patient is None else display_image(image)


def patient_map(
    adapter: ModelAdapter,
    field: str,
    native: npt.NDArray[np.floating],
    shape: tuple[int, ...],
) -> npt.NDArray[np.float32] | None:
    """Return a map on an image's own pixels; None where the adapter declares no geometry.

    Args:
        adapter: The model, whose preprocessing is inverted.
        field: The image input.
        native: The map on its own grid.
        shape: Spatial shape of the image as stored.
    """
    geometry = getattr(adapter, "geometry", None)
    if geometry is None:
        return None
    return np.asarray(geometry(field, shape).to_native(native, shape), dtype=np.float32)


def display_image(image: ImageValue) -> npt.NDArray[np.float32]:
    """Return the stored image on 0-1; a constant image is black."""
    span = image.high - image.low
    if not span > 0:
        return np.zeros(image.pixels.shape, dtype=np.float32)
    return np.asarray(np.clip((image.pixels - image.low) / span, 0.0, 1.0), dtype=np.float32)


def _volume_notes(request: Request, spatial: SpatialMap) -> tuple[str, ...]:
    """Return what the reader of a volume noted, such as slices that are missing."""
    ask = getattr(request.study, "image", None)
    if ask is None or spatial.image is None or spatial.native.ndim != VOLUME_AXES:
        return ()
    notes: tuple[str, ...] = ask(request.case, spatial.field).notes
    return notes


def _image_notes(request: Request, spatial: SpatialMap) -> tuple[str, ...]:
    """Return what must be said of an image that holds little: constant, or white for the most.

    White ground is usual in colour (slides), so only grey images count as saturated.
    """
    stored = request.raw[spatial.field][0]
    if isinstance(stored, SignalValue):
        return ()
    pixels = cast("ImageValue", stored).pixels
    largest = pixels.max()
    if pixels.min() == largest:
        return ("Every pixel of the image has the same value: it shows nothing of the patient.",)
    share = float((pixels == largest).mean())
    if cast("ImageValue", stored).colour or share < SATURATED:
        return ()
    return (f"{share:.0%} of the pixels have the largest value: the image may be saturated.",)


def map_findings(
    request: Request, fallback: str | None, spatial: SpatialMap
) -> tuple[Finding, ...]:
    """Return what must be said of a map: a fallback, an empty map, no positive evidence."""
    where = f"explanation.{request.case}"
    found = [
        Finding(severity="warning", where=where, message=note)
        for note in (*_volume_notes(request, spatial), *_image_notes(request, spatial))
    ]
    if fallback is not None:
        message = f"{fallback}; occlusion was used instead."
        found.append(Finding(severity="info", where=where, message=message))
    if spatial.scale == 0 or not np.isfinite(spatial.scale):
        message = "The map is zero everywhere: nothing in the image moved any output."
        found.append(Finding(severity="warning", where=where, message=message))
    elif spatial.native.max() <= 0:
        place = f"layer {spatial.layer}" if spatial.layer else "this resolution"
        message = f"No positive evidence for {request.output} at {place}: every cell lowers it."
        found.append(Finding(severity="info", where=where, message=message))
    return tuple(found)
