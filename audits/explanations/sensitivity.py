"""How effects change when a patient is compared with another cohort."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.reference_cohorts import COHORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from audits.explanations.request import Request
    from audits.explanations.result import BackgroundId, CaseExplanation

LEADING = 5
LEADING_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundView:
    """The same score seen from another background.

    Attributes:
        background: The other cohort.
        base_value: Its mean score.
        effects: Player name -> effect against it.
        turned: Leading players (up to five, each at least a tenth of the largest effect) whose
            effect has the other sign here.
        rank_correlation: Spearman's correlation of the sizes of all effects, or None where one of
            the rankings is constant.
    """

    background: BackgroundId
    base_value: float | None
    effects: dict[str, float]
    turned: tuple[str, ...]
    rank_correlation: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "background": self.background.to_dict(),
            "base_value": self.base_value,
            "effects": self.effects,
            "turned": list(self.turned),
            "rank_correlation": self.rank_correlation,
        }


def background_views(
    request: Request,
    explanation: CaseExplanation,
    explain: Callable[[Request], CaseExplanation],
) -> tuple[BackgroundView, ...]:
    """Return the same score against every other cohort that the study can form.

    Args:
        request: The case.
        explanation: Its effects against the chosen background.
        explain: Computes the same explanation for a request with another background.
    """
    if not explanation.players or explanation.background is None:
        return ()
    if explanation.background.cohort is None:  # an image's baseline, a note with its text removed
        return ()
    views = []
    for cohort in COHORTS:
        if cohort == explanation.background.cohort:
            continue
        try:
            background = request.background_of(cohort)
        except ExplanationError:
            continue
        other = explain(replace(request, given_background=background))
        views.append(_view(explanation, other))
    return tuple(views)


def _view(own: CaseExplanation, other: CaseExplanation) -> BackgroundView:
    effects = {player.name: player.effect for player in other.players}
    here = np.array([player.effect for player in own.players])
    there = np.array([effects[player.name] for player in own.players])
    size = np.abs(here)
    leading = [
        place
        for place in np.argsort(-size, kind="stable")[:LEADING]
        if size[place] >= LEADING_SHARE * size.max() > 0
    ]
    turned = tuple(own.players[place].name for place in leading if here[place] * there[place] < 0)
    if other.background is None:
        raise ExplanationError("background: the other explanation has none; use a table method")
    return BackgroundView(
        background=other.background,
        base_value=other.base_value,
        effects=effects,
        turned=turned,
        rank_correlation=_spearman(size, np.abs(there)),
    )


def _spearman(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float | None:
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
