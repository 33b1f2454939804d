"""From a method's arrays to a map of a case in patient space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.explanations.cams import cam_engine
from audits.explanations.cams.engine import MapEngine, spatial_field
from audits.explanations.pixels.occlusion import OcclusionEngine
from audits.explanations.request import Request
from audits.explanations.result import CaseExplanation, Method, SpatialMap
from audits.explanations.spaces import UNITS
from audits.types import Finding

if TYPE_CHECKING:
    from model_adapters.base import ImageValue

CAM_ESTIMAND = (
    "Share of each cell of layer {layer} in {output}, first order, in {unit}; positive raises it. "
    "Cells do not add up to the score."
)
OCCLUSION_ESTIMAND = (
    "Fall of {output}, in {unit}, when a box is blanked with the image's own mean; positive "
    "supports it. Boxes do not add up to the score."
)


def explain_by_cam(request: Request, method: Method) -> CaseExplanation:
    """Read a CAM for one case; a model without layers gets occlusion, with a finding."""
    return explain_by_engine(request, cam_engine(request.adapter, method))


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
    estimand = text.format(
        layer=engine.layer,
        output=request.output,
        unit=UNITS[request.adapter.output.space],
    )
    spatial = spatial_map(request, engine.field, maps, layer=engine.layer)
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=cast("Method", engine.method),
        estimand=estimand,
        map=spatial,
        findings=(*request.findings(), *_findings(request, engine.fallback, spatial)),
    )


def spatial_map(
    request: Request,
    field: str,
    maps: npt.NDArray[np.float32],
    *,
    layer: str | None,
) -> SpatialMap:
    """Bring one output's map to the grid of the stored image.

    Args:
        request: The case.
        field: The image input.
        maps: (outputs, *grid); the largest absolute value of all outputs ends the legend.
        layer: Where the maps were read.
    """
    native = np.ascontiguousarray(maps[request.index], dtype=np.float32)
    patient, image = patient_space(request, field, native)
    return SpatialMap(
        native=native,
        patient=patient,
        layer=layer,
        scale=float(np.abs(maps).max()),
        field=field,
        image=image,
    )


def patient_space(
    request: Request, field: str, native: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None]:
    """Return the map on the stored image's grid, and the image on 0-1; None without a geometry."""
    geometry = getattr(request.adapter, "geometry", None)
    if geometry is None:
        return None, None
    image = cast("ImageValue", request.raw[field][0])
    shape = image.pixels.shape[:-1] if image.colour else image.pixels.shape
    adapter = cast("Any", request.adapter)
    patient = adapter.geometry(field, shape).to_native(native, shape)
    return np.asarray(patient, dtype=np.float32), display_image(image)


def display_image(image: ImageValue) -> npt.NDArray[np.float32]:
    """Return the stored image on 0-1; a constant image is black."""
    span = image.high - image.low
    if not span > 0:
        return np.zeros(image.pixels.shape, dtype=np.float32)
    return np.asarray(np.clip((image.pixels - image.low) / span, 0.0, 1.0), dtype=np.float32)


def _findings(request: Request, fallback: str | None, spatial: SpatialMap) -> tuple[Finding, ...]:
    where = f"explanation.{request.case}"
    found = []
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
