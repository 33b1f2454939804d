"""Finding slices on one half of the patients: pairs in full, then the best pairs extended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.fairness.slices.conditions import Condition, as_matrix
from audits.fairness.types import BoolArray, FloatArray, IntArray

MIN_ROWS = 20
"""A slice needs this many cases of the metric's denominator in the half it is found on."""
BEAM = 60
MAX_SLICES = 5
OVERLAP = 0.5
CONTAINED = 0.8
_BLOCK = 512
_GAIN = 0.5
"""A further condition must raise the statistic by this much, or it only makes the slice longer."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A slice that looked worse than the rest on the half it was found on.

    Attributes:
        members: Indices into the conditions, ascending.
        statistic: Standardised excess of errors there.
        merged: Overlapping slices that it stands for, by their members.
    """

    members: tuple[int, ...]
    statistic: float
    merged: tuple[tuple[int, ...], ...] = ()


def find_slices(
    conditions: Sequence[Condition], loss: FloatArray, among: BoolArray
) -> tuple[Found, ...]:
    """Return the slices with the largest excess of errors, overlapping ones merged.

    Args:
        conditions: Conditions on all rows.
        loss: What a slice should have more of: errors as 0 and 1, or residuals, (n,).
        among: Rows of the learning half in the metric's denominator, (n,).
    """
    matrix = np.asarray(as_matrix(conditions, among), dtype=np.float32)
    errors = np.asarray(loss[among], dtype=np.float32)
    if len(errors) < 2 * MIN_ROWS or not errors.std() > 0:
        return ()
    variables = np.unique([condition.variable for condition in conditions], return_inverse=True)[1]
    singles = _score(matrix.sum(axis=0), errors @ matrix, errors)
    found: dict[tuple[int, ...], float] = {
        (int(i),): float(singles[i]) for i in np.flatnonzero(singles > 0)
    }
    pairs = _extend(matrix, errors, [(i,) for i in range(len(conditions))], variables, found)
    best = sorted(pairs, key=lambda key: -pairs[key])[:BEAM]
    triples = _extend(matrix, errors, best, variables, found | pairs)
    return _merged(found | pairs | triples, matrix)


def _score(n: FloatArray | Matrix, k: FloatArray | Matrix, errors: Matrix) -> FloatArray:
    """Return the standardised excess of errors inside against outside; 0 where too small."""
    total, rate, variance = len(errors), float(errors.mean()), float(errors.var())
    n = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(variance * n * (total - n) / total)
        z = (np.asarray(k, dtype=np.float64) - n * rate) / spread
    enough = (n >= MIN_ROWS) & (total - n >= MIN_ROWS)
    return np.where(enough, np.nan_to_num(z), 0.0)


def _extend(
    matrix: Matrix,
    errors: Matrix,
    stems: Sequence[tuple[int, ...]],
    variables: IntArray,
    known: dict[tuple[int, ...], float],
) -> dict[tuple[int, ...], float]:
    """Return stems with one more variable, where that raises the statistic over every part."""
    out: dict[tuple[int, ...], float] = {}
    singles = np.asarray([known.get((i,), 0.0) for i in range(len(variables))])
    for at in range(0, len(stems), _BLOCK):
        block = stems[at : at + _BLOCK]
        inside = np.ones((len(errors), len(block)), dtype=np.float32)
        for column, stem in enumerate(block):
            inside[:, column] = matrix[:, list(stem)].all(axis=1)
        n = inside.T @ matrix
        k = (inside * errors[:, None]).T @ matrix
        z = _score(n, k, errors)
        for row, stem in enumerate(block):
            taken = np.isin(variables, variables[list(stem)])
            better = z[row] > np.maximum(singles, known.get(stem, 0.0)) + _GAIN
            for member in np.flatnonzero(better & ~taken).tolist():
                key = tuple(sorted((*stem, member)))
                parts = [tuple(x for x in key if x != one) for one in key]
                value = float(z[row, member])
                if value > max(known.get(part, 0.0) for part in parts) + _GAIN:
                    out[key] = value
    return out


def _merged(scores: dict[tuple[int, ...], float], matrix: Matrix) -> tuple[Found, ...]:
    """Keep the best slices; one that overlaps a better one joins it."""
    kept: list[tuple[tuple[int, ...], BoolArray, list[tuple[int, ...]]]] = []
    for key in sorted(scores, key=lambda one: (-scores[one], len(one), one))[: 4 * BEAM]:
        inside = np.asarray(matrix[:, list(key)].all(axis=1))
        for _, other, joined in kept:
            if _overlap(inside, other):
                joined.append(key)
                break
        else:
            if len(kept) == MAX_SLICES:
                break
            kept.append((key, inside, []))
    return tuple(
        Found(members=key, statistic=scores[key], merged=tuple(joined[:MAX_SLICES]))
        for key, _, joined in kept
    )


def _overlap(a: BoolArray, b: BoolArray) -> bool:
    """Return whether two slices share half of their cases, or one nearly holds the other."""
    both, either = int((a & b).sum()), int((a | b).sum())
    smaller = min(int(a.sum()), int(b.sum()))
    return both >= OVERLAP * either or both >= CONTAINED * smaller
