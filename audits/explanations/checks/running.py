"""Run the checks of one map."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.backgrounds import audit_background
from audits.explanations.checks.deletion import deletion_rank
from audits.explanations.checks.mappers import Mapper, mapper_for
from audits.explanations.checks.randomisation import randomisation_checks
from audits.explanations.checks.stability import max_sensitivity
from audits.explanations.result import CaseExplanation, Check, Verdict

if TYPE_CHECKING:
    from audits.explanations.request import Request

ALPHA = 0.05
REFERENCE_CASES = 16
REFERENCE_QUANTILE = 0.95

_Key = tuple[str, str, str, str, int]
_lock = threading.Lock()
_per_model: dict[_Key, tuple[Check, float | None]] = {}


def run_checks(request: Request, explanation: CaseExplanation) -> tuple[Check, ...]:
    """Test one map: deletion rank, stability, similarity of outputs, randomised parameters.

    What belongs to the model and the method (parameter randomisation, the reference of the
    stability) is computed once per process for the same weights, study, method, output and seed.

    Args:
        request: The case.
        explanation: Its map.
    """
    spatial = explanation.map
    if spatial is None:
        return ()
    method, field = explanation.method, spatial.field
    mapper = mapper_for(request.adapter, method, (request.index,))
    rank = deletion_rank(
        request.adapter, request.prepared, field, request.index, spatial.native, seed=request.seed
    )
    randomised, reference = _of_the_model(request, method, field, mapper)
    return (
        Check(
            name="deletion_rank",
            value=rank.p,
            null=ALPHA,
            verdict="reflects" if rank.p <= ALPHA else "fails",
        ),
        _stability(request, field, mapper, reference),
        _similarity(request, method),
        randomised,
    )


def _stability(
    request: Request, field: str, mapper: Mapper | None, reference: float | None
) -> Check:
    value = None
    if mapper is not None:
        value = max_sensitivity(mapper, request.prepared, field, seed=request.seed)
    verdict: Verdict = "not_checked"
    if value is not None and reference is not None:
        verdict = "reflects" if value <= reference else "fails"
    return Check(name="max_sensitivity", value=value, null=reference, verdict=verdict)


def _similarity(request: Request, method: str) -> Check:
    """Return the largest rank correlation with another output's map: information, no failure."""
    count = len(request.adapter.output.names)
    mapper = mapper_for(request.adapter, method, range(count))
    if mapper is None or count == 1:
        return Check(name="output_similarity", value=None, null=None, verdict="not_checked")
    maps = mapper(request.prepared)[0].reshape(count, -1)
    others = [one for index, one in enumerate(maps) if index != request.index]
    own = maps[request.index]
    value = max(rank_correlation(own, other) for other in others)
    return Check(name="output_similarity", value=value, null=None, verdict="reflects")


def rank_correlation(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Return Spearman's correlation; 0 where a map is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _of_the_model(
    request: Request, method: str, field: str, mapper: Mapper | None
) -> tuple[Check, float | None]:
    """Return parameter randomisation and the reference of the stability, computed once."""
    key = (
        request.adapter.card.weights_sha256,
        request.study.sha256,
        method,
        request.output,
        request.seed,
    )
    with _lock:
        if key not in _per_model:
            cases = audit_background(
                request.study, request.adapter, rows=REFERENCE_CASES, seed=request.seed
            ).prepared
            _per_model[key] = (
                randomisation_checks(
                    request.adapter, method, (request.index,), cases, seed=request.seed
                )[0],
                _reference(mapper, cases, field, request.seed),
            )
        return _per_model[key]


def _reference(
    mapper: Mapper | None, cases: Mapping[str, Any], field: str, seed: int
) -> float | None:
    if mapper is None:
        return None
    values = [
        max_sensitivity(
            mapper, {name: value[row : row + 1] for name, value in cases.items()}, field, seed=seed
        )
        for row in range(len(cases[field]))
    ]
    known = [value for value in values if value is not None]
    return float(np.quantile(known, REFERENCE_QUANTILE)) if known else None
