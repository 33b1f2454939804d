"""Which cases of a run are explained: errors, doubts and finds, from every group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.cohorts import Attribute

_UNCERTAIN_SHARE = 0.1

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One output on the cases that have a score.

    Attributes:
        y: int8 (n,), 1 positive, 0 negative, -1 unknown.
        score: float64 (n,), on the threshold's scale.
        threshold: Where a case is called positive, or None.
    """

    y: npt.NDArray[np.int8]
    score: npt.NDArray[np.float64]
    threshold: float | None


def choose_cases(
    usable: npt.NDArray[np.bool_],
    outputs: Sequence[Judged],
    attributes: Sequence[Attribute],
    *,
    count: int,
    seed: int,
) -> Rows:
    """Return the rows to explain, in the cohort's order.

    Strata take turns, each giving one case at a time in a random order: missed and false
    positives, finds, the scores nearest to the threshold, then each level of each attribute.

    Args:
        usable: Cases whose inputs can be opened (n,).
        outputs: Each output of the model, aligned to ``usable``.
        attributes: Groupings aligned to ``usable``.
        count: How many cases.
        seed: Seed of the order.
    """
    order = np.random.default_rng(seed).permutation(len(usable))
    shuffled = order[usable[order]]
    strata = [*_outcomes(outputs, shuffled), *_levels(attributes, shuffled), shuffled]
    waiting = [iter(stratum) for stratum in strata if len(stratum)]
    chosen: set[int] = set()
    while waiting and len(chosen) < min(count, len(shuffled)):
        # A stratum whose cases are all taken drops out of the round.
        waiting = [s for s in waiting if len(chosen) >= count or _take_next(s, chosen)]
    return np.array(sorted(chosen), dtype=np.int64)


def _take_next(stratum: Iterator[np.int64], chosen: set[int]) -> bool:
    for row in stratum:
        if int(row) not in chosen:
            chosen.add(int(row))
            return True
    return False


def _outcomes(outputs: Sequence[Judged], shuffled: Rows) -> Iterator[Rows]:
    for output in outputs:
        y, score = output.y[shuffled], output.score[shuffled]
        if output.threshold is None:
            yield shuffled[y == 1]
            continue
        called = score >= output.threshold
        yield shuffled[(y == 1) & ~called]
        yield shuffled[(y == 0) & called]
        yield shuffled[(y == 1) & called]
        near = np.argsort(np.abs(score - output.threshold), kind="stable")
        yield shuffled[near[: max(1, int(_UNCERTAIN_SHARE * len(near)))]]


def _levels(attributes: Sequence[Attribute], shuffled: Rows) -> Iterator[Rows]:
    for attribute in attributes:
        codes = attribute.codes[shuffled]
        for level in range(len(attribute.levels)):
            yield shuffled[codes == level]
