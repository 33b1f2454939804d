"""Of a hundred patients with such a risk, how many had the condition: observed, not predicted.

A risk is put into a bin of cases with similar risks. The observed rate of the bin is what a
person may read as "x in 100": it holds for the sample it was counted in, so the sample should be
another one than the model's test set, and its prevalence that of the place of use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import ndtri

from audits.fairness.intervals import wilson
from audits.fairness.types import FloatArray, IntArray
from audits.types import Estimate

SMALLEST = 50
"""Patients below which a bin is joined with its neighbour."""
MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBin:
    """Cases with similar predicted risks.

    Attributes:
        low: Lowest risk that falls here, in [0, 1].
        high: Highest one.
        predicted: Mean predicted risk.
        observed: Share that had the condition, its interval clustered by patient.
    """

    low: float
    high: float
    predicted: float
    observed: Estimate


def risk_bins(
    risk: FloatArray,
    label: IntArray,
    patients: IntArray | None = None,
    *,
    smallest: int = SMALLEST,
    most: int = MOST,
) -> tuple[RiskBin, ...]:
    """Return bins of equal size from the lowest risk to the highest, none if there are too few.

    Equal risks share a bin. A bin with fewer than ``smallest`` patients is joined with the one
    below it.

    Args:
        risk: Predicted probabilities in [0, 1], shape (n,).
        label: 1 or 0, shape (n,).
        patients: Code of each case's patient, shape (n,); None where every case is its own.
        smallest: Patients that a bin must hold.
        most: Bins at the most.
    """
    who = np.arange(len(risk)) if patients is None else np.asarray(patients)
    order = np.argsort(risk, kind="stable")
    ordered = risk[order]
    edges = _edges(ordered, who[order], smallest, most)
    return tuple(
        _bin(ordered[start:stop], label[order[start:stop]], who[order[start:stop]])
        for start, stop in pairwise(edges)
    )


def closest(bins: Sequence[Mapping[str, Any]], risk: float) -> Mapping[str, Any] | None:
    """Return the bin a risk falls into; between two bins, and outside all, the closest one.

    Args:
        bins: Bins with ``low`` and ``high``, as they stand in the evidence.
        risk: Predicted probability.
    """
    if not bins:
        return None
    return min(bins, key=lambda one: max(one["low"] - risk, risk - one["high"], 0.0))


def at_prevalence(rate: float, sample: float, target: float) -> float:
    """Return a rate as it would be at another prevalence, odds by odds.

    Bayes' rule with the scores of sick and well people unchanged: the odds of the rate move by
    the ratio of the two prevalences' odds (Elkan 2001, theorem 2).

    Example:
        >>> round(at_prevalence(0.5, 0.5, 0.1), 3)
        0.1
        >>> at_prevalence(0.0, 0.5, 0.1), at_prevalence(1.0, 0.5, 0.1)
        (0.0, 1.0)
    """
    if rate in {0.0, 1.0}:
        return rate
    odds = rate / (1 - rate) * (target / (1 - target)) / (sample / (1 - sample))
    return odds / (1 + odds)


def _edges(risk: FloatArray, who: IntArray, smallest: int, most: int) -> list[int]:
    n = len(risk)
    if len(np.unique(who)) < smallest:
        return [0]
    edges = [0]
    for part in range(1, most + 1):
        stop = n if part == most else int(np.searchsorted(risk, risk[n * part // most], "left"))
        if stop > edges[-1] and len(np.unique(who[edges[-1] : stop])) >= smallest:
            edges.append(stop)
    if edges[-1] < n:  # what is left at the top joins the last bin
        edges[-1 if len(edges) > 1 else len(edges) :] = [n]
    return edges


def _bin(risk: FloatArray, label: IntArray, who: IntArray) -> RiskBin:
    n, k = len(label), int(label.sum())
    rate = k / n
    _, code = np.unique(who, return_inverse=True)
    n_patients = int(code.max()) + 1
    sums = np.bincount(code, label - rate)
    plain = rate * (1 - rate) * n
    # No spread within the bin says nothing of its clusters: then every patient counts once.
    deff = float((sums**2).sum()) / plain if 0 < k < n else n / n_patients
    deff = max(deff, 1.0)
    low, high = wilson(rate, n / deff, float(ndtri(0.975)))
    return RiskBin(
        low=float(risk[0]),
        high=float(risk[-1]),
        predicted=float(risk.mean()),
        observed=Estimate(
            value=rate,
            low=float(low),
            high=float(high),
            level=0.95,
            k=k,
            n=n,
            n_patients=n_patients,
            deff=deff,
            method="wilson on the effective count",
        ),
    )
