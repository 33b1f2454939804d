"""Does the score follow when the parts an explanation names are taken out?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.parts.evidence import Deletion

if TYPE_CHECKING:
    from audits.explanations.shapley import Game

OTHERS = 64
MOST = 3
SHARE = 4

Floats = npt.NDArray[np.float64]


def deletion_test(game: Game, output: int, effects: Floats, *, seed: int) -> Deletion | None:
    """Take out the leading quarter of the parts, at most three, and as many others at random.

    Leading are those that carry the score to where it is: up where all effects together raise it,
    down where they lower it.
    """
    players = game.players
    if players < 2:  # noqa: PLR2004 - with one part there is nothing to compare with
        return None
    count = max(1, min(MOST, players // SHARE))
    direction = 1.0 if effects.sum() >= 0 else -1.0
    leading = np.argsort(-direction * effects, kind="stable")[:count]
    rest = np.setdiff1d(np.arange(players), leading)
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(rest)[:count] for _ in range(OTHERS)] if len(rest) >= count else []
    masks = np.ones((1 + len(drawn), players), dtype=bool)
    masks[0, leading] = False
    for row, gone in enumerate(drawn, start=1):
        masks[row, gone] = False
    values = game.hybrids(np.array([0]), np.zeros(len(masks), dtype=np.int64), masks)[0, :, output]
    return Deletion(
        sentences=count,
        before=float(game.at_rows()[0, output]),
        after=float(values[0]),
        others=float(values[1:].mean()) if drawn else None,
    )
