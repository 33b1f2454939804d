"""Between groups: shrinkage, simultaneous bands, the max-min gap beside a fair model's, additivity.

None of it gives a verdict. Every entry is about one metric in the groups of one declared attribute
or crossing (fairness reference, sections 1.3 and 5.1).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc, expit, ndtri

from audits.fairness.auroc import Areas
from audits.fairness.families import Family
from audits.fairness.heterogeneity import between_variance
from audits.fairness.intervals import logit_limits, wilson
from audits.fairness.ratios import Ratio
from audits.fairness.structured import Term, fit_structured
from audits.fairness.types import BoolArray, FloatArray

DRAWS = 1_000
LEVEL = 0.95
SECTIONS = ("shrinkage", "max_t_bands", "max_min_gap", "structured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One metric in every group of a family.

    Attributes:
        metric: Name of the metric.
        family: The groups.
        value: Estimates on the metric's own scale, (groups,).
        variance: Their variances; of a rate under the pooled rate, so never nothing.
        effective: Effective sizes, for rates; None for areas.
        products: Σ over patients of their influence on two groups, (groups, groups), for the
            correlation of estimates; None where no patient is in two groups.
    """

    metric: str
    family: Family
    value: FloatArray
    variance: FloatArray
    effective: FloatArray | None
    products: FloatArray | None

    @property
    def used(self) -> BoolArray:
        """Return which groups have an estimate with a variance."""
        return np.asarray(
            np.isfinite(self.value) & np.isfinite(self.variance) & (self.variance > 0)
        )


def rate_spread(metric: str, family: Family, ratio: Ratio, products: FloatArray | None) -> Spread:
    """Return a rate's spread: variances of the pooled rate on effective counts."""
    own = ratio.group
    effective = own.n / own.deff(ratio.rho)
    total = float(own.n.sum())
    pooled = float(own.k.sum()) / total if total else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(effective > 0, pooled * (1 - pooled) / effective, np.nan)
    return Spread(
        metric=metric,
        family=family,
        value=own.value,
        variance=variance,
        effective=effective,
        products=products,
    )


def area_spread(family: Family, areas: Areas, products: FloatArray | None) -> Spread:
    """Return the AUROC's spread."""
    return Spread(
        metric="auroc",
        family=family,
        value=areas.area,
        variance=areas.variance,
        effective=None,
        products=products,
    )


def cross_products(family: Family, influence: FloatArray) -> FloatArray:
    """Return Σ over patients of their influence on two groups, (groups, groups).

    It adds up over parts of the rows that never split a patient.

    Args:
        family: The groups.
        influence: Influence of each (group, patient) pair on its group's estimate.
    """
    dense = np.zeros((family.size, family.size))
    order = np.argsort(family.pair_patient, kind="stable")
    whose, group = family.pair_patient[order], family.pair_group[order]
    flow = influence[order]
    # Pairs of the same patient lie side by side: pair each with its next, second next, … neighbour.
    np.add.at(dense, (group, group), flow * flow)
    for step in range(1, family.size):
        same = whose[step:] == whose[:-step]
        if not same.any():
            break
        product = flow[step:][same] * flow[:-step][same]
        np.add.at(dense, (group[step:][same], group[:-step][same]), product)
        np.add.at(dense, (group[:-step][same], group[step:][same]), product)
    return dense


def between_groups(spread: Spread, seed: int) -> dict[str, dict[str, Any]]:
    """Return one entry for each of ``SECTIONS``; empty where fewer than two groups have numbers."""
    used = spread.used
    if used.sum() < 2:  # noqa: PLR2004 - two groups are needed to differ
        return {}
    tag = zlib.crc32(f"{spread.metric}|{spread.family.name}".encode())
    rng = np.random.default_rng([seed, tag])
    head = {"metric": spread.metric, "attribute": spread.family.name}
    out = {
        "shrinkage": {**head, **_shrinkage(spread)},
        "max_t_bands": {**head, **_bands(spread, rng)},
        "max_min_gap": {**head, **_max_min(spread, rng)},
    }
    if spread.family.tier == "intersection":
        out["structured"] = {**head, **_structured(spread)}
    return out


def _shrinkage(spread: Spread) -> dict[str, Any]:
    """Return empirical-Bayes estimates: each group drawn to the mean by its own uncertainty."""
    used = spread.used
    y, v = spread.value[used], spread.variance[used]
    tau2 = between_variance(y, v)
    between = tau2.value or 0.0
    weight = 1 / (v + between)
    centre = float((weight * y).sum() / weight.sum())
    keep = between / (between + v)
    shrunk = centre + keep * (y - centre)
    return {
        "centre": centre,
        "tau2": tau2.to_dict(),
        "groups": _rows(spread, raw=y, shrunk=shrunk, own_weight=keep),
    }


def _bands(spread: Spread, rng: np.random.Generator) -> dict[str, Any]:
    """Return limits that hold all groups at once with 95 %.

    The multiplier is the quantile of the largest standardised error. Without shared patients the
    groups are independent and it has a closed form; with them it is drawn from the correlation of
    the influence functions.
    """
    used = spread.used
    size = int(used.sum())
    c = float(ndtri((1 + LEVEL ** (1 / size)) / 2))
    if spread.products is not None:
        root = _correlation_root(spread.products, used)
        drawn = np.abs(rng.normal(size=(DRAWS * 10, root.shape[1])) @ root.T).max(axis=1)
        c = float(np.quantile(drawn, LEVEL))
    if spread.effective is not None:
        low, high = wilson(spread.value[used], spread.effective[used], c)
    else:
        inner = np.clip(spread.value[used], 1e-9, 1 - 1e-9)
        se = np.sqrt(spread.variance[used]) / (inner * (1 - inner))
        low, high = logit_limits(inner, se, c)
    return {
        "level": LEVEL,
        "multiplier": c,
        "groups": _rows(spread, value=spread.value[used], low=low, high=high),
    }


def _correlation_root(products: FloatArray, used: BoolArray) -> FloatArray:
    """Return R with R Rᵀ the correlation of the groups' estimates."""
    kept = products[np.ix_(used, used)]
    scale = np.sqrt(np.diag(kept))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(kept / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 0))
    length = np.linalg.norm(root, axis=1)
    # A group without any influence still varies: it is drawn on its own.
    lone = np.diag(np.sqrt(np.maximum(1 - length**2, 0)))
    return np.hstack((root, lone))


def _max_min(spread: Spread, rng: np.random.Generator) -> dict[str, Any]:
    """Return the max-min gap and what a fair model of this very sample would have scored.

    Fair draws keep every group's effective size and take the pooled value as everybody's.
    """
    used = spread.used
    y, v = spread.value[used], spread.variance[used]
    gap = float(y.max() - y.min())
    if spread.effective is not None:
        n = np.maximum(np.rint(spread.effective[used]).astype(np.int64), 1)
        pooled = float((y * n).sum() / n.sum())
        drawn = rng.binomial(n, pooled, size=(DRAWS, len(n))) / n
    else:
        pooled = float((y / v).sum() / (1 / v).sum())
        drawn = pooled + rng.normal(size=(DRAWS, len(v))) * np.sqrt(v)
        drawn = np.clip(drawn, 0, 1)
    fair = np.ptp(drawn, axis=1)
    return {
        "gap": gap,
        "fair_median": float(np.median(fair)),
        "fair_95": float(np.quantile(fair, 0.95)),
        "p": float((1 + (fair >= gap).sum()) / (DRAWS + 1)),
        "draws": DRAWS,
        "note": "A fair model of this sample scores the fair median: the gap alone says nothing.",
    }


def _structured(spread: Spread) -> dict[str, Any]:
    """Return the structured model of the attributes, and estimates drawn to it; logit scale.

    Groups borrow strength from the levels they share with others.
    """
    used = spread.used
    y = np.clip(spread.value[used], 1e-9, 1 - 1e-9)
    if spread.effective is not None:
        n = spread.effective[used]
        y = (spread.value[used] * n + 0.5) / (n + 1)
    scale, v = np.log(y / (1 - y)), spread.variance[used] / (y * (1 - y)) ** 2
    fit = fit_structured(spread.family.cells[used], scale, v)
    half = float(ndtri((1 + LEVEL) / 2)) * fit.error
    return {
        "statistic": fit.statistic,
        "df": fit.df,
        "p": float(chdtrc(fit.df, fit.statistic)) if fit.df > 0 else None,
        "level": LEVEL,
        "interactions": [
            {"attributes": _levels(spread, used, term), "effect": effect}
            for term, effect in zip(fit.terms, fit.effects.tolist(), strict=True)
        ],
        "groups": _rows(
            spread,
            raw=spread.value[used],
            additive=expit(fit.additive),
            structured=expit(fit.value),
            low=expit(fit.value - half),
            high=expit(fit.value + half),
            own_weight=fit.own_weight,
        ),
    }


def _levels(spread: Spread, used: BoolArray, term: Term) -> dict[str, str]:
    """Return the levels that a column of the model joins, by name."""
    family = spread.family
    out = {}
    for attribute, level in term:
        group = int(np.flatnonzero(used & (family.cells[:, attribute] == level))[0])
        name = family.names[attribute]
        out[name] = family.labels[group][name]
    return out


def _rows(spread: Spread, **columns: FloatArray) -> list[dict[str, Any]]:
    """Return one record per group that has an estimate."""
    labels = [spread.family.labels[index] for index in np.flatnonzero(spread.used)]
    values = {name: column.tolist() for name, column in columns.items()}
    return [
        {"attributes": dict(label), **{name: values[name][index] for name in values}}
        for index, label in enumerate(labels)
    ]
