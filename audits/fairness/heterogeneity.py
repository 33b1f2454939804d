"""How much a metric truly varies between groups: pooled-rate Q, and τ² with its interval.

Descriptive: no verdict hangs on it (fairness reference, section 2, rule 10).
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, chdtri

from audits.fairness.types import FloatArray, Heterogeneity
from audits.types import Estimate

PERMUTATIONS = 499
_ITERATIONS = 100


def rate_heterogeneity(
    metric: str, attribute: str, rates: FloatArray, effective: FloatArray, rng: np.random.Generator
) -> Heterogeneity:
    """Return Q around the pooled rate with a permutation p-value, and τ² of the rates.

    Permuted are effective cases between groups, which given the margins is one multivariate
    hypergeometric draw per replicate: its cost does not depend on the number of cases.
    """
    used = np.nan_to_num(effective) >= 1
    n = np.rint(effective[used]).astype(np.int64)
    hits = np.rint(rates[used] * n).astype(np.int64)
    total, events = int(n.sum()), int(hits.sum())
    if len(n) < 2:  # noqa: PLR2004 - two groups are needed to differ
        return _not_available(metric, attribute, "fewer than two groups with cases")
    if events in (0, total):
        return _not_available(metric, attribute, "every group has the same rate, 0 or 1")
    pooled = events / total
    unit = pooled * (1 - pooled)
    statistic = float((n * (hits / n - pooled) ** 2).sum() / unit)
    draws = rng.multivariate_hypergeometric(n, events, size=PERMUTATIONS, method="marginals")
    permuted = (n * (draws / n - pooled) ** 2).sum(axis=1) / unit
    p = float((1 + (permuted >= statistic * (1 - 1e-12)).sum()) / (PERMUTATIONS + 1))
    return Heterogeneity(
        metric=metric,
        attribute=attribute,
        statistic=statistic,
        df=len(n) - 1,
        p=p,
        tau2=between_variance(hits / n, unit / n),
        method=f"pooled-rate Q, {PERMUTATIONS} permutations of effective cases",
    )


def estimate_heterogeneity(
    metric: str, attribute: str, values: FloatArray, variances: FloatArray
) -> Heterogeneity:
    """Return Cochran's Q of estimates with known variances, with its χ² p-value, and τ²."""
    used = np.isfinite(values) & np.isfinite(variances) & (variances > 0)
    y, v = values[used], variances[used]
    if len(y) < 2:  # noqa: PLR2004 - two groups are needed to differ
        return _not_available(metric, attribute, "fewer than two groups with an estimate")
    centre = (y / v).sum() / (1 / v).sum()
    statistic = float(((y - centre) ** 2 / v).sum())
    scale = " of the logarithms" if metric in {"oe_ratio", "oe_t"} else ""
    return Heterogeneity(
        metric=metric,
        attribute=attribute,
        statistic=statistic,
        df=len(y) - 1,
        p=float(chdtrc(len(y) - 1, statistic)),
        tau2=between_variance(y, v),
        method=f"Cochran Q{scale}, chi-squared",
    )


def between_variance(values: FloatArray, variances: FloatArray, level: float = 0.95) -> Estimate:
    """Return τ² by Paule and Mandel (1982) with its Q-profile interval (Viechtbauer 2007)."""
    df = len(values) - 1
    tail = (1 - level) / 2
    targets = np.asarray([df, chdtri(df, tail), chdtri(df, 1 - tail)], dtype=np.float64)
    # Q falls with τ² and is convex: Newton's steps from 0 climb to each root and never pass it.
    solved = np.zeros(3)
    for _ in range(_ITERATIONS):
        q, slope = _generalised_q(values, variances, solved)
        step = np.where(q > targets, (q - targets) / np.where(slope > 0, slope, 1.0), 0.0)
        solved = solved + step
        if not (step > 1e-13 * solved).any():
            break
    spread = float(solved[2]) > 0
    why = "no interval: the groups differ less than chance would have it"
    return Estimate(
        value=float(solved[0]),
        low=float(solved[1]) if spread else None,
        high=float(solved[2]) if spread else None,
        level=level,
        n=len(values),
        method="paule-mandel, q-profile",
        reason=None if spread else why,
    )


def _generalised_q(
    values: FloatArray, variances: FloatArray, tau2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return Q at each τ², the centre re-weighted each time, and by how much it falls there."""
    weight = 1 / (variances[None, :] + tau2[:, None])
    centre = (weight * values).sum(axis=1) / weight.sum(axis=1)
    parts = weight * (values[None, :] - centre[:, None]) ** 2
    return np.asarray(parts.sum(axis=1)), np.asarray((weight * parts).sum(axis=1))


def _not_available(metric: str, attribute: str, reason: str) -> Heterogeneity:
    return Heterogeneity(
        metric=metric,
        attribute=attribute,
        statistic=None,
        df=None,
        p=None,
        tau2=Estimate.undefined(reason),
        method="",
    )
