"""Explanations of a case by its pixels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import as_array
from audits.explanations.cams.engine import spatial_field
from audits.explanations.maps import map_findings, spatial_map
from audits.explanations.result import (
    BackgroundId,
    CaseExplanation,
    Check,
    Method,
    PlayerEffect,
    Verdict,
)
from audits.explanations.shapley import Stop, permutation_shapley
from audits.explanations.shapley.estimate import RESIDUAL_FLOOR
from audits.explanations.spaces import UNITS

if TYPE_CHECKING:
    from audits.explanations.pixels.gradients import PixelGame
    from audits.explanations.request import Request

COMPLETE = 0.05
INCOMPLETE = 0.2
BLACK = "zero in the model's own input units"
OWN_MEAN = "the image's own mean"
REGION_STOP = Stop(relative=0.1, absolute=0.0, min_cycles=5, max_cycles=30, seconds=20.0)

AXES = {1: ("in time",), 2: ("down", "across"), 3: ("through the slices", "down", "across")}

ESTIMANDS = {
    "integrated_gradients": "Integrated gradient of {output} from {background} to the image, in "
    "{unit}; pixels add up to the difference of the two scores.",
    "expected_gradients": "Integrated gradient of {output} averaged over the background cohort, "
    "in {unit} (Aumann-Shapley value); pixels add up to the score minus the cohort's mean, in "
    "expectation.",
    "smoothgrad": "Mean slope of {output} over noisy copies of the image, in {unit} per unit of "
    "the model's input; not additive.",
    "rise": "Covariance of {output} with each pixel's being seen under random masks, in {unit}; "
    "not additive.",
    "region_shapley": "Shapley value of each region (superpixel) in {output}, in {unit}, against "
    "{background}; regions add up to the difference of the two scores.",
}


def explain_by_integrated_gradients(request: Request, method: Method) -> CaseExplanation:
    """Integrate the gradient from zero input to the image."""
    import torch

    from audits.explanations.pixels.gradients import integrated_gradients

    game = _game(request)
    baseline = torch.zeros_like(game.image)
    values = integrated_gradients(game, baseline)[0]
    at_baseline = request.predict({**request.prepared, game.field: baseline[None]})
    background = BackgroundId(name=BLACK, sha256=_digest(baseline), n=1)
    return _path_explanation(
        request, method, values, background, float(at_baseline[0, request.index])
    )


def explain_by_expected_gradients(request: Request, method: Method) -> CaseExplanation:
    """Average integrated gradients over the background cohort."""
    from audits.explanations.pixels.gradients import expected_gradients

    game = _game(request)
    background = request.background()
    rows = background.prepared[game.field]
    values = expected_gradients(game, rows, seed=request.seed)[0]
    case = {name: np.repeat(as_array(v), len(rows), axis=0) for name, v in request.prepared.items()}
    base = request.predict({**case, game.field: rows})[:, request.index].mean()
    return _path_explanation(request, method, values, background.id, float(base))


def explain_by_smoothgrad(request: Request, method: Method) -> CaseExplanation:
    """Average the gradient over noisy copies."""
    from audits.explanations.pixels.gradients import smoothgrad

    values = smoothgrad(_game(request), seed=request.seed)[0]
    return _explanation(request, method, values.sum(axis=0))


def explain_by_rise(request: Request, method: Method) -> CaseExplanation:
    """Regress the score on random masks."""
    from audits.explanations.pixels.rise import rise_maps

    field = spatial_field(request.adapter)
    maps = rise_maps(request.adapter, request.prepared, field, seed=request.seed)
    return _explanation(request, method, maps[request.index])


def explain_by_regions(request: Request, method: Method) -> CaseExplanation:
    """Estimate the Shapley value of every superpixel, or of every window of a signal."""
    from audits.explanations.pixels.regions import image_regions, region_game

    field = spatial_field(request.adapter)
    owners = image_regions(request.prepared[field][0])
    game = region_game(request.adapter, request.prepared, field, owners)
    estimate = permutation_shapley(game, seed=request.seed, stop=REGION_STOP)
    effects = estimate.effects[0, :, request.index]
    errors = estimate.se[0, :, request.index]
    players = tuple(
        PlayerEffect(
            name=f"region {player + 1}",
            label=f"Region {player + 1}, {_place(owners == player)}",
            value=None,
            unit=None,
            effect=float(effects[player]),
            se=float(errors[player]),
        )
        for player in range(game.players)
    )
    background = BackgroundId(name=OWN_MEAN, sha256=_digest(game.background[field]), n=1)
    return _explanation(
        request,
        method,
        effects[owners],
        background=background,
        base_value=float(estimate.base[request.index]),
        additivity_residual=float(
            estimate.residual(request.predict(request.prepared))[0, request.index]
        ),
        players=players,
    )


def _place(inside: npt.NDArray[np.bool_]) -> str:
    """Return where a region's centre lies, in shares of each axis."""
    names = AXES[inside.ndim]
    centre = [
        float(at.mean() + 0.5) / size
        for at, size in zip(np.nonzero(inside), inside.shape, strict=True)
    ]
    return ", ".join(f"{share:.0%} {name}" for share, name in zip(centre, names, strict=True))


def completeness_check(total: float, shift: float) -> Check:
    """Return whether a path method's pixels add up: within 5 % it does, past 20 % it fails."""
    gap = abs(total - shift) / max(abs(shift), RESIDUAL_FLOOR)
    verdict: Verdict = "fails" if gap > INCOMPLETE else "weak"
    if gap <= COMPLETE:
        verdict = "reflects"
    return Check(name="completeness", value=gap, null=INCOMPLETE, verdict=verdict)


def _path_explanation(
    request: Request,
    method: Method,
    values: npt.NDArray[np.float64],
    background: BackgroundId,
    base: float,
) -> CaseExplanation:
    shift = float(request.predict(request.prepared)[0, request.index]) - base
    check = completeness_check(float(values.sum()), shift)
    return _explanation(
        request,
        method,
        values.sum(axis=0),
        background=background,
        base_value=base,
        additivity_residual=check.value,
        checks=(check,),
    )


def _explanation(
    request: Request, method: Method, native: npt.NDArray[np.float64], **more: Any
) -> CaseExplanation:
    """Return the explanation of one map; ``more`` are further fields of the result."""
    field = spatial_field(request.adapter)
    spatial = spatial_map(request, field, native, scale=float(np.abs(native).max()), layer=None)
    background: BackgroundId | None = more.get("background")
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=ESTIMANDS[method].format(
            output=request.output,
            unit=UNITS[request.adapter.output.space],
            background=background.name if background else "",
        ),
        map=spatial,
        findings=(*request.findings(), *map_findings(request, None, spatial)),
        **more,
    )


def _game(request: Request) -> PixelGame:
    from audits.explanations.pixels.gradients import PixelGame

    return PixelGame(
        adapter=request.adapter,
        case=request.prepared,
        field=spatial_field(request.adapter),
        outputs=(request.index,),
    )


def _digest(values: Any) -> str:
    array = np.ascontiguousarray(as_array(values))
    return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()
