"""What a check needs to know of a model and a method, not of a case: computed once, then kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.explanations.backgrounds import CaseSource, audit_background
from audits.explanations.cams.engine import spatial_field
from audits.explanations.checks.learning import POOL, Learnt, learnt
from audits.explanations.checks.mappers import Mapper, mapper_for
from audits.explanations.checks.names import ONE_PASS, RANDOMISATION, REFERENCE_CASES
from audits.explanations.checks.randomisation import joined, randomisation_checks
from audits.explanations.checks.stability import max_sensitivity
from audits.explanations.result import Check

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

REFERENCE_QUANTILE = 0.95

_Key = tuple[str, str, str, str, tuple[int, ...], int]
_lock = threading.Lock()
_known: dict[_Key, ModelReference] = {}
_learnt: dict[tuple[_Key, int], Learnt | None] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """One method on the reference cases of one model.

    Attributes:
        randomised: Parameter randomisation of each output.
        usual_sensitivity: 95th percentile of max-sensitivity of each, or None where a map costs
            too much to repeat.
    """

    randomised: tuple[Check, ...]
    usual_sensitivity: tuple[float | None, ...]


def model_reference(
    study: CaseSource,
    adapter: ModelAdapter,
    method: str,
    output: int,
    *,
    seed: int,
    every: bool = False,
) -> tuple[Check, float | None]:
    """Return parameter randomisation and the usual sensitivity of one output's maps.

    Computed once per process for the same weights, study and seed. Methods that map every output
    in one sweep are compared for all of them at once; what 19 shuffled copies do is asked only of
    maps that depend on the weights.

    Args:
        study: Where the reference cases are drawn from.
        adapter: The model.
        method: The map method.
        output: The output that is wanted.
        seed: Seed of the draw, the noise and the shuffles.
        every: Whether shuffled copies are asked about all outputs at once, which is cheaper where
            all will be wanted.
    """
    together = method in ONE_PASS or method == "occlusion"
    outputs = tuple(range(len(adapter.output.names))) if together else (output,)
    card = adapter.card
    key = (card.weights_sha256, card.manifest_sha256, study.sha256, method, outputs, seed)
    with _lock:
        if key not in _known:
            _known[key] = _computed(study, adapter, method, outputs, seed)
        found = _known[key]
        place = outputs.index(output)
        check, usual = found.randomised[place], found.usual_sensitivity[place]
        if check.verdict != "reflects":
            return check, usual
        if (key, output) not in _learnt:
            asked = outputs if every else (output,)
            cases = audit_background(study, adapter, rows=POOL, seed=seed).prepared
            for one, rank in zip(
                asked, learnt(adapter, method, asked, cases, seed=seed), strict=True
            ):
                _learnt[key, one] = rank
        return joined(check, _learnt[key, output]), usual


def _computed(
    study: CaseSource, adapter: ModelAdapter, method: str, outputs: tuple[int, ...], seed: int
) -> ModelReference:
    if method not in REFERENCE_CASES:
        waiting = Check(name=RANDOMISATION, value=None, null=None, verdict="not_checked")
        return ModelReference(
            randomised=(waiting,) * len(outputs),
            usual_sensitivity=(None,) * len(outputs),
        )
    cases = audit_background(study, adapter, rows=REFERENCE_CASES[method], seed=seed).prepared
    usual: tuple[float | None, ...] = (None,) * len(outputs)
    mapper = mapper_for(adapter, method, outputs)
    if mapper is not None and method in ONE_PASS:
        usual = _usual_sensitivity(mapper, cases, spatial_field(adapter), len(outputs), seed)
    return ModelReference(
        randomised=randomisation_checks(adapter, method, outputs, cases, seed=seed),
        usual_sensitivity=usual,
    )


def _usual_sensitivity(
    mapper: Mapper, cases: Mapping[str, Any], field: str, outputs: int, seed: int
) -> tuple[float | None, ...]:
    count = len(next(iter(cases.values())))
    values = [
        max_sensitivity(
            mapper, {name: value[row : row + 1] for name, value in cases.items()}, field, seed=seed
        )
        for row in range(count)
    ]
    found: list[float | None] = []
    for place in range(outputs):
        of_output = (one[place] for one in values)
        known = [value for value in of_output if value is not None]
        found.append(float(np.quantile(known, REFERENCE_QUANTILE)) if known else None)
    return tuple(found)
