"""The checks of effects of parts: does the score follow them, would another cohort turn them?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.names import SIGNS
from audits.explanations.checks.variables import (
    FEWEST_PARTS,
    PART_STOP,
    PARTS,
    RESAMPLES,
    ROWS_PER_PART,
    deletion_check,
    rows_of_background,
    sign_check,
)
from audits.explanations.parts.fusion import fusion_game
from audits.explanations.parts.sequences import explain_by_sequence, sequence_game
from audits.explanations.result import CaseExplanation, Check

if TYPE_CHECKING:
    from audits.explanations.request import Request
    from audits.explanations.shapley import Game

Floats = npt.NDArray[np.float64]


def checks_of_parts(request: Request, explanation: CaseExplanation) -> tuple[Check, ...]:
    """Test effects of windows of time or of the parts of several inputs.

    A note brings its deletion test with it, and has no background that could be drawn again.

    Args:
        request: The case.
        explanation: Its explanation.
    """
    effects = np.array([player.effect for player in explanation.players])
    modalities = [field.modality for field in request.adapter.inputs]
    if modalities == ["text"]:
        return ()
    over_time = modalities == ["sequence"]
    game: Game = sequence_game(request) if over_time else fusion_game(request).of_parts
    deletion = deletion_check(game, request.index, effects, seed=request.seed)
    if not over_time:
        return (deletion, Check(name=SIGNS, value=None, null=None, verdict="not_checked"))
    return (deletion, sign_check(effects, _replicates(request)))


def _replicates(request: Request) -> Floats | None:
    """Return effects of windows under resampled backgrounds, (resamples, players)."""
    background = request.background()
    parts = min(PARTS, background.id.n // ROWS_PER_PART)
    if parts < FEWEST_PARTS:
        return None
    shuffled = np.random.default_rng(request.seed).permutation(background.id.n)
    found = []
    for rows in np.array_split(shuffled, parts):
        smaller = rows_of_background(background, np.sort(rows))
        one = explain_by_sequence(
            replace(request, given_background=smaller), "shapley", stop=PART_STOP, fine=False
        )
        found.append([player.effect for player in one.players])
    weights = np.random.default_rng(request.seed).multinomial(
        parts, np.full(parts, 1 / parts), size=RESAMPLES
    )
    return np.asarray(weights / parts @ np.array(found))
