"""Means and shares over cases with intervals that resample whole patients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from audits.types import Estimate

RESAMPLES = 1000
INTERVAL = (0.025, 0.975)
FEWEST = 2
MOST_KEPT = 2000
"""Patients up to whom the draws are kept: 16 MB for a number of patients and a seed."""
METHOD = "percentile bootstrap by patient"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def resamples(patients: int, seed: int) -> Floats:
    """Return how often every patient is drawn in every resample, (resamples, patients), read-only.

    The same patients are resampled for many quantities, so small tables are kept.

    Args:
        patients: How many there are, and how many are drawn.
        seed: Seed of the draws.
    """
    return _drawn(patients, seed) if patients <= MOST_KEPT else _draw(patients, seed)


def _draw(patients: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(patients, np.full(patients, 1 / patients), size=RESAMPLES)
    found: Floats = drawn.astype(np.float64)  # products with floats then run in BLAS
    found.setflags(write=False)
    return found


_drawn = lru_cache(maxsize=16)(_draw)


def cluster_means(values: Floats, clusters: Ints, seed: int) -> list[Estimate]:
    """Return the mean of each column with a percentile interval, resampling whole patients.

    Args:
        values: (cases, columns).
        clusters: (cases,) patient codes.
        seed: Seed of the resamples.
    """
    return cluster_ratios(values, np.ones(len(values)), clusters, seed)


def cluster_ratios(values: Floats, whole: Floats, clusters: Ints, seed: int) -> list[Estimate]:
    """Return the sum of each column over the sum of ``whole``, resampling whole patients.

    Args:
        values: (cases, columns).
        whole: (cases,) what they are shares of; ones give means.
        clusters: (cases,) patient codes.
        seed: Seed of the resamples.
    """
    codes, membership = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(codes), values.shape[1]))
    np.add.at(sums, membership, values)
    sizes = np.bincount(membership, weights=whole)
    total = float(whole.sum())
    if total == 0:
        nothing = Estimate(
            value=None, n=len(values), n_patients=len(codes), reason="there is nothing to share"
        )
        return [nothing] * values.shape[1]
    drawn = resamples(len(codes), seed)
    ratios = (drawn @ sums) / np.maximum(drawn @ sizes, np.finfo(float).tiny)[:, None]
    enough = len(codes) >= FEWEST
    low, high = np.quantile(ratios, INTERVAL, axis=0)
    return [
        Estimate(
            value=float(sums[:, column].sum() / total),
            low=float(low[column]) if enough else None,
            high=float(high[column]) if enough else None,
            n=len(values),
            n_patients=len(codes),
            method=METHOD,
            reason=None if enough else "one patient gives no interval",
        )
        for column in range(values.shape[1])
    ]
