"""The smallest plausible changes after which the model's call would be another one.

A gradient-free beam search over variables that somebody can act on: values are quantiles of the
cohort, directions those that the study allows, and a result must be about as near to somebody in
the cohort as the cohort's patients are to each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.edits import (
    changed,
    cohort_numbers,
    numbers_of,
    own_values,
    plausible_of,
)
from audits.explanations.plausible import Plausible
from audits.explanations.result import Score
from audits.explanations.shapley.support import NearestDistance
from audits.explanations.spaces import explained, score_of
from audits.explanations.what_if import NOT_ADVICE

if TYPE_CHECKING:
    from audits.explanations.request import Request

SECONDS = 5.0
BEAM = 24
MOST_CHANGES = 4
SHOWN = 3
EVEN = 0.5

Changes = Mapping[str, Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """One set of changes after which the call would be another one.

    Attributes:
        changes: Name -> (value before, value after).
        after: What the model's output would be.
        distance: To the nearest patient of the cohort, relative to the 95th percentile of that
            distance among the cohort's patients; at most 1, or the patient's own where that is
            larger.
    """

    changes: Mapping[str, tuple[Any, Any]]
    after: Score
    distance: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "changes": [
                {"name": name, "from": one, "to": other}
                for name, (one, other) in self.changes.items()
            ],
            "after": self.after.to_dict(),
            "distance": self.distance,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was found, and what was looked through.

    Attributes:
        target: Probability (or value) whose other side was looked for.
        before: The patient's score.
        found: Fewest changes first, then the smallest ones; empty where none was found.
        tried: Sets of changes that the model was asked about.
        seconds: How long the search took.
        variables: Names of what could be changed.
        message: What to tell, never advice.
    """

    target: float
    before: Score
    found: tuple[Counterfactual, ...]
    tried: int
    seconds: float
    variables: tuple[str, ...]
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "target": self.target,
            "before": self.before.to_dict(),
            "found": [one.to_dict() for one in self.found],
            "tried": self.tried,
            "seconds": self.seconds,
            "variables": list(self.variables),
            "message": self.message,
        }


@dataclass(slots=True)
class _Beam:
    """Sets of changes in work, and those that arrived."""

    arrived: list[tuple[int, float, Changes, Floats, float]] = field(default_factory=list)
    tried: int = 0


def search_counterfactuals(
    request: Request, *, target: float | None = None, seconds: float = SECONDS
) -> Search:
    """Look for small plausible changes that move the output to the other side of a threshold.

    Args:
        request: The case.
        target: On the probability (or value) scale; default the model's own threshold, else 0.5.
        seconds: After which the search ends; opening the cohort that results must be like does
            not count.

    Raises:
        ExplanationError: If no variable of the model is declared actionable, or an output without
            a probability has no threshold and none is given.
    """
    wanted = _target(request, target)
    known = {n: one for n, one in plausible_of(request).items() if one.actionable}
    if not known:
        raise ExplanationError(
            f"counterfactual: none of the variables of {request.adapter.card.key} is declared "
            "actionable; set actionable in variables.csv"
        )
    support = NearestDistance(cohort_numbers(request))
    started = time.monotonic()
    beam = _Beam()
    _run(request, known, wanted, support, started + seconds, beam)
    spent = time.monotonic() - started
    before = own_values(request)
    found = []
    for _, _, changes, scores, distance in sorted(beam.arrived, key=lambda one: one[:2])[:SHOWN]:
        pairs = {name: (before[name], value) for name, value in changes.items()}
        after = score_of(scores, request.index, request.adapter.output)
        found.append(Counterfactual(changes=pairs, after=after, distance=distance))
    return Search(
        target=wanted,
        before=request.score,
        found=tuple(found),
        tried=beam.tried,
        seconds=spent,
        variables=tuple(known),
        message=NOT_ADVICE
        if found
        else f"None found within {max(spent, 0.1):.1f} seconds ({beam.tried:,} sets of changes "
        f"to {len(known)} actionable variables tried); that does not prove that there is none.",
    )


def _target(request: Request, target: float | None) -> float:
    if target is not None:
        return target
    thresholds = request.adapter.output.thresholds
    if thresholds is not None:
        return float(thresholds[request.index])
    if request.score.probability is None:
        raise ExplanationError(
            f"counterfactual: {request.adapter.card.key} has no threshold and its output no "
            "probability; give a target"
        )
    return EVEN


def _run(
    request: Request,
    known: Mapping[str, Plausible],
    target: float,
    support: NearestDistance,
    ends: float,
    beam: _Beam,
) -> None:
    """Extend the best sets of changes by one variable at a time until the time is up."""
    own = own_values(request)
    level = _on_scale(request, request.scores, target)
    rising = level[0] < 0  # distance to the target on the explained scale
    limit = max(1.0, float(support(numbers_of(request, request.prepared))[0]))
    fronts: list[Changes] = [{}]
    for _ in range(min(MOST_CHANGES, len(known))):
        candidates = list(_extended(fronts, known, own))
        if not candidates or (beam.tried and time.monotonic() > ends):
            return
        scores, distances = _ask(request, candidates, support, ends)
        beam.tried += len(scores)
        gap = _on_scale(request, scores, target) * (1 if rising else -1)
        near = distances <= limit + 1e-9
        size = np.array([_size(one, known, own) for one in candidates[: len(scores)]])
        for place in np.flatnonzero(near & (gap >= 0)):
            one = candidates[place]
            beam.arrived.append(
                (len(one), float(size[place]), one, scores[place], float(distances[place]))
            )
        if beam.arrived:
            return
        order = np.lexsort((size, -gap, ~near))
        fronts = [candidates[place] for place in order[:BEAM] if near[place]]
        if not fronts:
            return


def _ask(
    request: Request, candidates: Sequence[Changes], support: NearestDistance, ends: float
) -> tuple[Floats, Floats]:
    """Return scores and distances of as many candidates as there is time for."""
    scores, distances = [], []
    step = 512
    for start in range(0, len(candidates), step):
        prepared = request.adapter.prepare(changed(request, candidates[start : start + step]))
        scores.append(request.adapter.predict(prepared))
        distances.append(support(numbers_of(request, prepared)))
        if time.monotonic() > ends:
            break
    return np.concatenate(scores), np.concatenate(distances)


def _extended(
    fronts: Sequence[Changes], known: Mapping[str, Plausible], own: Any
) -> Iterator[Changes]:
    seen = set()
    for front in fronts:
        for name, variable in known.items():
            if name in front:
                continue
            for value in _values(variable, own[name]):
                extended = {**front, name: value}
                key = tuple(sorted((k, str(v)) for k, v in extended.items()))
                if key not in seen:
                    seen.add(key)
                    yield extended


def _values(variable: Plausible, own: Any) -> list[Any]:
    """Return values worth trying: other ones, in the only direction where there is one.

    A variable that was not measured is not tried: having it measured is no change of the patient.
    """
    if own is None:
        return []
    if variable.levels:
        return [level for level in variable.levels if level != str(own)]
    if variable.direction == "up":
        return [value for value in variable.grid if value > own]
    if variable.direction == "down":
        return [value for value in variable.grid if value < own]
    return [value for value in variable.grid if value != own]


def _size(changes: Changes, known: Mapping[str, Plausible], own: Any) -> float:
    """Return the sum of changes, each relative to its plausible range; a category counts 1."""
    total = 0.0
    for name, value in changes.items():
        low, high = known[name].low, known[name].high
        if low is None or high is None or high <= low:
            total += 1.0
        else:
            total += abs(float(value) - float(own[name])) / (high - low)
    return total


def _on_scale(request: Request, scores: Floats, target: float) -> Floats:
    """Return score minus target, both on the explained scale."""
    output = request.adapter.output
    if output.space in {"logit", "probability"}:
        held = float(np.clip(target, 1e-6, 1 - 1e-6))
        aim = float(np.log(held) - np.log1p(-held))
        if output.task == "multiclass" and output.space == "logit":
            given = [score_of(row, request.index, output).probability for row in scores]
            clipped = np.clip(np.array(given, dtype=float), 1e-12, 1 - 1e-12)
            return np.asarray(np.log(clipped) - np.log1p(-clipped) - aim)
        return np.asarray(explained(scores, output.space)[:, request.index] - aim)
    return np.asarray(scores[:, request.index] - target)
