"""Run the checks of one explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.checks import names
from audits.explanations.checks.deletion import CopiedMap, copied_map
from audits.explanations.checks.mappers import mapper_for
from audits.explanations.checks.reference import model_reference
from audits.explanations.checks.stability import max_sensitivity
from audits.explanations.result import CaseExplanation, Check, SpatialMap, Verdict

if TYPE_CHECKING:
    from audits.explanations.request import Request

ALPHA = 0.05

Map = npt.NDArray[np.floating]


def run_checks(
    request: Request,
    explanation: CaseExplanation,
    *,
    others: Sequence[CaseExplanation] | None = None,
    insertion: bool = True,
) -> tuple[Check, ...]:
    """Test one explanation: of a map its rank, stability and weights, of effects rank and signs.

    Args:
        request: The case.
        explanation: Its explanation.
        others: Explanations of the other outputs of the case; None has their maps computed.
        insertion: Whether a map's insertion curve is measured, which informs and decides nothing.
    """
    if explanation.map is not None:
        maps = None if others is None else [one.map.native for one in others if one.map]
        return _map_checks(request, explanation.method, explanation.map, maps, insertion=insertion)
    from audits.explanations.checks.variables import checks_of_variables

    if [field.modality for field in request.adapter.inputs] != ["table"]:
        from audits.explanations.parts.checks import checks_of_parts

        return checks_of_parts(request, explanation)
    effects = np.array([player.effect for player in explanation.players])
    return checks_of_variables(
        request.adapter,
        request.prepared,
        request.background(),
        explanation.method,
        {request.index: effects[None]},
        seed=request.seed,
    )[0][request.index]


def _map_checks(
    request: Request,
    method: str,
    spatial: SpatialMap,
    others: Sequence[Map] | None,
    *,
    insertion: bool,
) -> tuple[Check, ...]:
    """Return ranks, stability, similarity of outputs and parameter randomisation.

    What belongs to the model and the method (parameter randomisation, the usual sensitivity) is
    computed once per process.
    """
    copies = copied_map(
        request.adapter,
        request.prepared,
        spatial.field,
        request.index,
        spatial.native,
        seed=request.seed,
    )
    removed = copies.deletion()
    randomised, usual = model_reference(
        request.study, request.adapter, method, request.index, seed=request.seed
    )
    return (
        rank_check(removed.p, detail=removed.text),
        _given_back(copies) if insertion else _WAITING,
        _stability(request, method, spatial.field, usual),
        _similarity(spatial.native, _other_maps(request, method) if others is None else others),
        randomised,
    )


_WAITING = Check(name=names.INSERTION, value=None, null=ALPHA, verdict="not_checked")


def _given_back(copies: CopiedMap) -> Check:
    found = copies.insertion()
    return rank_check(found.p, name=names.INSERTION, detail=found.text)


def rank_check(p: float, *, name: str = names.DELETION, detail: str = "") -> Check:
    """Return the check of a rank among 19 others: the first place alone is p = .05."""
    verdict: Verdict = "reflects" if p <= ALPHA else "fails"
    return Check(name=name, value=p, null=ALPHA, verdict=verdict, detail=detail)


def _stability(request: Request, method: str, field: str, usual: float | None) -> Check:
    value = None
    mapper = mapper_for(request.adapter, method, (request.index,)) if usual is not None else None
    if mapper is not None:
        value = max_sensitivity(mapper, request.prepared, field, seed=request.seed)[0]
    verdict: Verdict = "not_checked"
    if value is not None and usual is not None:
        verdict = "reflects" if value <= usual else "fails"
    return Check(name=names.SENSITIVITY, value=value, null=usual, verdict=verdict)


def _similarity(own: Map, others: Sequence[Map]) -> Check:
    """Return the largest rank correlation with another output's map: information, no failure."""
    if not others:
        return Check(name=names.SIMILARITY, value=None, null=None, verdict="not_checked")
    value = max(rank_correlation(own.ravel(), other.ravel()) for other in others)
    return Check(name=names.SIMILARITY, value=value, null=None, verdict="reflects")


def _other_maps(request: Request, method: str) -> list[Map]:
    """Return the maps of the other outputs; none where there are none or they cost too much."""
    wanted = [i for i in range(len(request.adapter.output.names)) if i != request.index]
    mapper = mapper_for(request.adapter, method, wanted) if wanted else None
    return [] if mapper is None else list(mapper(request.prepared)[0])


def rank_correlation(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Return Spearman's correlation; 0 where a map is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
