"""Testing slices on the other half of the patients: one max-statistic p over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray

PERMUTATIONS = 999
MIN_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a slice should have more of.

    Attributes:
        base: Rows that count, (n,).
        loss: Errors as 0 and 1, or residuals of the label, (n,).
        residual: Whether ``loss`` is a residual, whose spread depends on the score.
    """

    base: BoolArray
    loss: FloatArray
    residual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A slice to be tested: rows of the slice, (n,), and the name of its measure."""

    measure: str
    inside: BoolArray


def confirm(
    claims: Sequence[Claim],
    measures: Mapping[str, Measure],
    patient: IntArray,
    rng: np.random.Generator,
) -> list[tuple[float | None, float | None]]:
    """Return the statistic and the adjusted p-value of every claim.

    Errors change places between patients with equally many rows, so that a patient's rows stay
    together; residuals change sign patient by patient, because their spread depends on the
    score. In each draw the largest statistic of all claims is kept (Westfall and Young 1993).
    One-sided: only an excess counts.

    Args:
        claims: What is tested, all measures together.
        measures: By name, restricted to the testing half.
        patient: Patient of each row, (n,).
        rng: Source of the draws.
    """
    observed: list[float | None] = [None] * len(claims)
    largest = np.full(PERMUTATIONS, -np.inf)
    for name, measure in measures.items():
        base = measure.base
        total = int(base.sum())
        mine = [
            at
            for at, claim in enumerate(claims)
            if claim.measure == name
            and MIN_ROWS <= int((claim.inside & base).sum()) <= total - MIN_ROWS
        ]
        loss = measure.loss[base]
        if not mine or not loss.std() > 0:
            continue
        inside = np.column_stack([claims[at].inside[base] for at in mine]).astype(np.float64)
        draw = _flipped if measure.residual else _permuted
        values, drawn = draw(loss, inside, _compact(patient[base]), rng)
        for at, value in zip(mine, values.tolist(), strict=True):
            observed[at] = value
        largest = np.maximum(largest, drawn.max(axis=1))
    return [(value, None if value is None else _p(value, largest)) for value in observed]


def _p(value: float, largest: FloatArray) -> float:
    return float((1 + np.count_nonzero(largest >= value - 1e-9)) / (1 + len(largest)))


def _compact(codes: IntArray) -> IntArray:
    return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _permuted(
    loss: FloatArray, inside: FloatArray, patient: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the standardised excess of every slice, as it is and in every permutation."""
    total, n, rate = len(loss), inside.sum(axis=0), float(loss.mean())
    # One design effect for all slices keeps the measures on one scale.
    sums = np.bincount(patient, loss - rate)
    plain = float(loss.var()) * total
    deff = max(float(sums @ sums) / plain, 1.0)
    spread = np.sqrt(loss.var() * deff * n * (total - n) / total)
    values = (loss @ inside - n * rate) / spread
    drawn = (_shuffles(loss, patient, rng) @ inside - n * rate) / spread
    return np.asarray(values), np.asarray(drawn)


def _shuffles(loss: FloatArray, patient: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return the loss permuted between patients with equally many rows, (draws, n)."""
    order = np.argsort(patient, kind="stable")
    _, start, size = np.unique(patient[order], return_index=True, return_counts=True)
    out = np.empty((PERMUTATIONS, len(loss)))
    for rows in np.unique(size):
        first = start[size == rows]
        places = order[first[:, None] + np.arange(rows)]
        indices = np.broadcast_to(np.arange(len(first)), (PERMUTATIONS, len(first)))
        shuffled = loss[places][rng.permuted(indices, axis=1)]
        out[:, places.reshape(-1)] = shuffled.reshape(PERMUTATIONS, -1)
    return out


def _flipped(
    loss: FloatArray, inside: FloatArray, patient: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the studentised sum of residuals in every slice, and with signs turned at random."""
    patients = int(patient.max()) + 1
    sums = np.column_stack([np.bincount(patient, loss * column, patients) for column in inside.T])
    spread = np.sqrt((sums * sums).sum(axis=0))
    spread[spread <= 0] = np.inf
    signs = rng.choice(np.asarray([-1.0, 1.0]), size=(PERMUTATIONS, patients))
    return np.asarray(sums.sum(axis=0) / spread), np.asarray(signs @ sums / spread)
