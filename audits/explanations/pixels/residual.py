"""Where an anomaly model fails to rebuild the image: the score itself, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from audits.errors import ExplanationError
from audits.explanations.cams.engine import spatial_field
from audits.explanations.maps import map_findings, spatial_map
from audits.explanations.result import CaseExplanation, Method

if TYPE_CHECKING:
    from audits.explanations.request import Request

ESTIMAND = (
    "Squared difference between the image and what the model rebuilds of it, in the model's own "
    "input units, divided by the number of pixels; pixels add up to the score of {output}. It "
    "shows where the model failed, not which pixels made it fail: integrated_gradients and "
    "occlusion attribute the score."
)


def explain_by_residual(request: Request, method: Method) -> CaseExplanation:
    """Show the residual of an autoencoder.

    Raises:
        ExplanationError: If the model rebuilds no image.
    """
    adapter = cast("Any", request.adapter)
    rebuild = getattr(adapter, "rebuilt", None)
    if rebuild is None:
        raise ExplanationError(
            f"method: residual wants a model that rebuilds its image, and {adapter.card.key} "
            "gives a score only; use occlusion"
        )
    field = spatial_field(request.adapter)
    image = np.asarray(request.prepared[field], dtype=np.float64)[0]
    again = np.asarray(rebuild(request.prepared), dtype=np.float64)[0]
    values = ((again - image) ** 2).sum(axis=0) / image.size
    spatial = spatial_map(request, field, values, scale=float(np.abs(values).max()), layer=None)
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=ESTIMAND.format(output=request.output),
        additivity_residual=_residual(float(values.sum()), request),
        map=spatial,
        findings=(*request.findings(), *map_findings(request, None, spatial)),
    )


def _residual(total: float, request: Request) -> float:
    score = float(request.scores[0, request.index])
    return abs(total - score) / max(abs(score), 1e-12)
