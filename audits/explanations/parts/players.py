"""From an estimate of parts to the explanation of a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audits.explanations.parts.layout import Player, plain_error
from audits.explanations.result import CaseExplanation, PlayerEffect
from audits.explanations.shapley.estimate import RESIDUAL_FLOOR
from audits.explanations.variables import additivity_check

if TYPE_CHECKING:
    from audits.explanations.parts.evidence import NoteEvidence, Timeline
    from audits.explanations.request import Request
    from audits.explanations.result import BackgroundId, Check, Method
    from audits.explanations.shapley import ShapleyEstimate
    from audits.types import Finding


def effects_of(
    players: Sequence[Player], estimate: ShapleyEstimate, output: int, *, first: int = 0
) -> tuple[PlayerEffect, ...]:
    """Return the players of one level with their effects on one output.

    Args:
        players: In the order of the estimate.
        estimate: Its first row is the case.
        output: Which output.
        first: Place of the first player in the estimate.
    """
    return tuple(
        PlayerEffect(
            name=player.name,
            label=player.label,
            value=player.value,
            unit=player.unit,
            effect=float(estimate.effects[0, place, output]),
            se=plain_error(estimate.se[0, :, output], place),
            low=player.low,
            high=player.high,
            code=player.code,
        )
        for place, player in enumerate(players, start=first)
    )


def additive_explanation(  # noqa: PLR0913 - the parts of one explanation, all by keyword
    request: Request,
    *,
    method: Method,
    estimand: str,
    background: BackgroundId,
    estimate: ShapleyEstimate,
    players: tuple[PlayerEffect, ...],
    off_support: float | None = None,
    timeline: Timeline | None = None,
    note: NoteEvidence | None = None,
    modalities: tuple[PlayerEffect, ...] = (),
    checks: tuple[Check, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> CaseExplanation:
    """Return the explanation of one case; its residual is that of the players shown.

    The score that effects must add up to is the one predicted for the case alone.
    """
    alone = float(request.predict(request.prepared)[0, request.index])
    base = float(estimate.base[request.index])
    gap = abs(float(np.sum([player.effect for player in players])) - (alone - base))
    residual = gap / max(abs(alone - base), RESIDUAL_FLOOR)
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=estimand,
        background=background,
        base_value=base,
        additivity_residual=residual,
        off_support_share=off_support,
        players=players,
        timeline=timeline,
        note=note,
        modalities=modalities,
        checks=(additivity_check(residual, alone - base, alone), *checks),
        findings=(*request.findings(), *findings),
    )
