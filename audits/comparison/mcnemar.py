"""Exact tests and intervals for a difference of paired proportions.

Two versions of a model decide the same cases. Only discordant cases carry information: ``gained``
counts cases the candidate alone decides positive, ``lost`` those the base alone does.

References:
    McNemar, Psychometrika 12 (1947) 153-157.
    Tango, Statistics in Medicine 17 (1998) 891-908 (score interval).
    Durkalski et al., Statistics in Medicine 22 (2003) 2417-2428 (clustered pairs).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

_EXACT_LIMIT = 5_000
"""Discordant mass up to which the exact distribution is convolved; the normal limit beyond."""


def exact_mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided exact p of McNemar's test for independent pairs.

    Args:
        gained: Pairs positive under the candidate only.
        lost: Pairs positive under the base only.

    Returns:
        ``2 P(Bin(gained + lost, 1/2) <= min(gained, lost))``, at most 1; 1 without discordance.

    Example:
        >>> round(exact_mcnemar(1, 8), 6)
        0.039062
        >>> exact_mcnemar(0, 0)
        1.0
    """
    discordant = gained + lost
    if discordant == 0:
        return 1.0
    return float(min(1.0, 2.0 * stats.binom.cdf(min(gained, lost), discordant, 0.5)))


def sign_flip_p(patient_difference: npt.NDArray[np.int64]) -> float:
    """Return the exact two-sided p when the two versions are swapped patient by patient.

    Under the null the versions are exchangeable within a patient, so each patient's net gain
    keeps its size and takes either sign with probability one half. With one row a patient this
    is McNemar's exact test; with several rows it stays exact for any dependence within a patient.

    Args:
        patient_difference: (patients,) gained minus lost rows of each patient.

    Returns:
        ``P(|S| >= |observed|)`` over all sign assignments.

    Example:
        >>> sign_flip_p(np.array([1, 1, 1, -1])) == exact_mcnemar(3, 1)
        True
    """
    sizes = np.abs(patient_difference[patient_difference != 0])
    if sizes.size == 0:
        return 1.0
    observed = abs(int(patient_difference.sum()))
    if observed == 0:
        return 1.0
    total = int(sizes.sum())
    values, counts = np.unique(sizes, return_counts=True)
    if values.size == 1 and values[0] == 1:
        return exact_mcnemar((total + observed) // 2, (total - observed) // 2)
    if total > _EXACT_LIMIT:
        return float(2.0 * stats.norm.sf(observed / math.sqrt(float(np.sum(sizes**2)))))
    # Distribution of the mass with a positive sign: a sum of scaled binomials on 0..total.
    pmf = np.ones(1)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        part = np.zeros(value * count + 1)
        part[::value] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        pmf = np.convolve(pmf, part)
    signed = 2 * np.arange(total + 1) - total
    return float(min(1.0, pmf[np.abs(signed) >= observed].sum()))


def tango_interval(
    gained: float, lost: float, n: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Return Tango's score interval for the difference of two paired proportions.

    Args:
        gained: Pairs positive under the candidate only; effective counts are allowed.
        lost: Pairs positive under the base only.
        n: Number of pairs, positive.
        level: Confidence level.

    Returns:
        Lower and upper limit of (gained - lost) / n, within [-1, 1]; never of zero width.

    Example:
        >>> low, high = tango_interval(12, 2, 44)
        >>> round(low, 4), round(high, 4)
        (0.0692, 0.386)
    """
    z = float(stats.norm.ppf(0.5 + level / 2))
    point = (gained - lost) / n

    def statistic(delta: float) -> float:
        b = -gained - lost + (2 * n - gained + lost) * delta
        c = -lost * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        # At the edge of the parameter space the variance vanishes: the limit is the edge itself.
        gap = gained - lost - n * delta
        return math.copysign(math.inf, gap) if variance <= 0 else gap / math.sqrt(variance)

    def solve(start: float, edge: float, target: float) -> float:
        inside, outside = start, edge
        for _ in range(80):
            middle = (inside + outside) / 2
            if abs(statistic(middle)) < target:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    low = solve(point, -1.0, z) if point > -1 else -1.0
    high = solve(point, 1.0, z) if point < 1 else 1.0
    return low, high
