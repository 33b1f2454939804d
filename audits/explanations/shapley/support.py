"""How many of the hybrid inputs look like nobody in the cohort."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SAMPLES = 256
MIN_BACKGROUND = 20
SUPPORT_QUANTILE = 0.95


def off_support_share(
    case: npt.NDArray[np.floating],
    background: npt.NDArray[np.floating],
    player_of_column: npt.NDArray[np.int64],
    *,
    seed: int = 0,
) -> float | None:
    """Return the share of hybrids of a case and background rows outside the cohort's support.

    Shapley values ask the model about patients that mix values of two people. A hybrid is outside
    the support where its distance to the nearest background row (other than the one it is made
    of) exceeds the 95th percentile of the same distance among the background rows themselves; so
    real patients of the cohort come out near 0.05. Columns are standardised by the background, a
    missing value counts as the mean plus an indicator.

    Args:
        case: (columns,) encoded.
        background: (rows, columns) encoded.
        player_of_column: Owner of each column.
        seed: Seed of the sampled hybrids.

    Returns:
        A share in [0, 1], or None with fewer than 20 background rows.
    """
    if len(background) < MIN_BACKGROUND:
        return None
    rng = np.random.default_rng(seed)
    players = int(player_of_column.max()) + 1
    other = rng.integers(0, len(background), SAMPLES)
    sizes = rng.integers(1, max(players, 2), SAMPLES)
    ranks = rng.permuted(np.tile(np.arange(players), (SAMPLES, 1)), axis=1)
    keep = (ranks < sizes[:, None])[:, player_of_column]
    hybrids = np.where(keep, case[None], background[other])
    reference, queries = _standardised(background, hybrids)
    among = _distances(reference, reference)
    np.fill_diagonal(among, np.inf)
    limit = np.quantile(among.min(axis=1), SUPPORT_QUANTILE)
    to_cohort = _distances(queries, reference)
    to_cohort[np.arange(SAMPLES), other] = np.inf
    return float((to_cohort.min(axis=1) > limit).mean())


class NearestDistance:
    """How far rows are from the nearest of a cohort, relative to the cohort's own distances.

    1 is the 95th percentile of the distance of the cohort's own rows to their nearest neighbour;
    columns are standardised as for :func:`off_support_share`.
    """

    def __init__(self, cohort: npt.NDArray[np.floating]) -> None:
        """Measure the cohort's own distances.

        Args:
            cohort: (rows, columns) encoded.
        """
        self._cohort = cohort
        reference, _ = _standardised(cohort, cohort[:1])
        among = _distances(reference, reference)
        np.fill_diagonal(among, np.inf)
        nearest = among.min(axis=1) if len(cohort) > 1 else np.ones(1)
        self._limit = max(float(np.quantile(nearest, SUPPORT_QUANTILE)), np.finfo(float).tiny)

    def __call__(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the relative distance of every row, (rows,)."""
        reference, queries = _standardised(self._cohort, rows)
        return np.asarray(np.sqrt(_distances(queries, reference).min(axis=1) / self._limit))


def _standardised(
    background: npt.NDArray[np.floating], rows: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    missing = np.isnan(background)
    count = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0.0, background).sum(axis=0) / count
    variance = np.where(missing, 0.0, (background - mean) ** 2).sum(axis=0) / count
    spread = np.where(variance > 0, np.sqrt(variance), 1.0)

    def scaled(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        absent = np.isnan(values)
        return np.hstack([np.where(absent, 0.0, (values - mean) / spread), absent.astype(float)])

    return scaled(background), scaled(rows)


def _distances(
    rows: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    squares = (rows**2).sum(axis=1)[:, None] + (reference**2).sum(axis=1)[None]
    return np.asarray(np.maximum(squares - 2 * rows @ reference.T, 0.0))
