"""Do 95 % intervals cover? By exact enumeration where possible, by simulation elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.bootstrap import bootstrap_estimates
from audits.fairness.families import marginal
from audits.fairness.frame import build_frame
from audits.fairness.intervals import jeffreys, wilson
from audits.fairness.types import OutputResult
from audits.policy import load_policy
from audits.types import Estimate
from benchmarks.validity.cohorts import ICC, IMAGES
from benchmarks.validity.promises import streams

RATES = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
SIZES = (5, 10, 15, 20, 30, 50, 100, 200, 400)
Z = 1.959963984540054
GROUPS = 40


def enumerated_rates(*, audits: int = 1, first: int = 0) -> dict[str, Any]:
    """Return the coverage of a rate's interval over every outcome, true values .05 to .95.

    Exact, so that one audit's worth is all there is; the numbers of audits are not used.
    """
    if first or audits < 1:
        return {}
    covered = []
    for n in SIZES:
        k = np.arange(n + 1)
        low, high = wilson(k / n, np.full(n + 1, float(n)), Z) if n >= 5 else jeffreys(k / n, n)
        covered += [
            (float(binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum()), n, p) for p in RATES
        ]
    worst = min(covered)
    return {
        "mean": float(np.mean([value for value, _, _ in covered])),
        "lowest": worst[0],
        "lowest_at": f"n {worst[1]}, rate {worst[2]}",
        "cells": len(covered),
    }


def clustered_rates(*, patients: int, rate: float, audits: int, first: int = 0) -> dict[str, Any]:
    """Count how often TPR intervals cover where patients repeat with correlation 0.3.

    Forty groups of one audit share the pooled correlation, as they do in practice.
    """
    covered = total = 0
    for rng in streams(range(first, first + audits), "clusters", patients, IMAGES, rate):
        output = _correlated(rng, GROUPS, patients, rate)
        for group in _audited(output).groups:
            estimate = group.metrics["tpr"]
            covered += _holds(estimate, rate)
            total += 1
    return {"tpr": {"covered": covered, "intervals": total}}


def _correlated(rng: np.random.Generator, groups: int, patients: int, rate: float) -> ScoredOutput:
    """Draw positives only, of whom so many are called: only the decision matters."""
    people = groups * patients
    patient = np.repeat(np.arange(people), IMAGES)
    latent = np.sqrt(ICC) * rng.normal(size=people)[patient]
    latent += np.sqrt(1 - ICC) * rng.normal(size=len(patient))
    return ScoredOutput(
        name="y",
        y=np.ones(len(patient)),
        score=(latent < ndtri(rate)).astype(np.float64),
        threshold=0.5,
        space="value",
        patients=patient,
        attributes=(_attribute("g", patient // patients, groups),),
    )


def bootstrap(*, patients: int, rate: float, audits: int, first: int = 0) -> dict[str, Any]:
    """Count how often percentile intervals of resampled patients cover, 1,000 replicates."""
    covered = total = 0
    for rng in streams(range(first, first + audits), "boot", patients, rate):
        output = _correlated(rng, GROUPS, patients, rate)
        frame = build_frame(output)
        family = marginal(frame, output.attributes[0], declared=True)
        found = bootstrap_estimates(
            frame, family, frame.score >= 0.5, seed=int(rng.integers(2**31)), replicates=1_000
        )
        for estimate in found["tpr"]:
            covered += _holds(estimate, rate)
            total += 1
    return {"tpr": {"covered": covered, "intervals": total}}


def areas(
    *, auc: float, pos: int, neg: int, clustered: bool, audits: int, first: int = 0
) -> dict[str, Any]:
    """Count how often AUROC intervals cover, with so many rows of each class in each group.

    Where rows are clustered, four of one patient, of either class, share part of their score.
    """
    covered = total = 0
    size = pos + neg
    for rng in streams(range(first, first + audits), "auc", auc, pos, neg, clustered):
        y = np.tile(np.r_[np.ones(pos), np.zeros(neg)], GROUPS)
        group = np.repeat(np.arange(GROUPS), size)
        noise, patient = rng.normal(size=len(y)), None
        if clustered:
            order = np.concatenate(
                [rng.permutation(size) + start for start in group[::size] * size]
            )
            y = y[order]
            patient = group * size + (np.arange(len(y)) % size) // IMAGES
            noise = np.sqrt(1 - ICC) * noise + np.sqrt(ICC) * rng.normal(size=len(y))[patient]
        output = ScoredOutput(
            name="y",
            y=y,
            score=y * np.sqrt(2) * ndtri(auc) + noise,
            space="value",
            patients=patient,
            attributes=(_attribute("g", group, GROUPS),),
        )
        for item in _audited(output).groups:
            covered += _holds(item.metrics["auroc"], auc)
            total += 1
    return {"auroc": {"covered": covered, "intervals": total}}


def calibration(*, size: int, audits: int, first: int = 0) -> dict[str, Any]:
    """Count how often the calibration metrics' intervals cover in groups of so many patients."""
    truth = {
        "oe_ratio": 1.0,
        "calibration_slope": 1.0,
        "calibration_intercept": 0.0,
        "ece_debiased": 0.0,
    }
    out = {name: {"covered": 0, "intervals": 0} for name in truth}
    for rng in streams(range(first, first + audits), "calibration", size):
        score = rng.beta(1.2, 4.0, GROUPS * size)
        output = ScoredOutput(
            name="y",
            y=(rng.random(len(score)) < score).astype(np.int8),
            score=score,
            attributes=(_attribute("g", np.arange(len(score)) // size, GROUPS),),
        )
        for group in _audited(output).groups:
            for name, true in truth.items():
                if group.metrics[name].low is not None:
                    out[name]["covered"] += _holds(group.metrics[name], true)
                    out[name]["intervals"] += 1
    return out


def _audited(output: ScoredOutput) -> OutputResult:
    return audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]


def _holds(estimate: Estimate, true: float) -> bool:
    """Return whether an interval covers the truth; one that is not given does not."""
    return estimate.low is not None and estimate.low <= true <= estimate.high


def _attribute(name: str, codes: np.ndarray, count: int) -> Attribute:
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(str(index) for index in range(count)),
        codes=np.asarray(codes, dtype=np.int32),
    )
