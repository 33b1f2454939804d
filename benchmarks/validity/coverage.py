"""Do 95 % intervals cover? By exact enumeration where possible, by simulation elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.intervals import jeffreys, wilson
from audits.policy import load_policy
from benchmarks.validity.promises import streams

RATES = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
SIZES = (5, 10, 15, 20, 30, 50, 100, 200, 400)
Z = 1.959963984540054


def enumerated_rates() -> dict[str, Any]:
    """Return the coverage of a rate's interval over every outcome, true values .05 to .95."""
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
        "lowest_at": {"n": worst[1], "rate": worst[2]},
        "cells": len(covered),
    }


def clustered_rates(*, audits: int, patients: int, images: int = 4) -> dict[str, Any]:
    """Simulate the coverage of TPR intervals where patients repeat with correlation 0.3.

    Forty groups of one audit share the pooled correlation, as they do in practice.
    """
    groups = 40
    out = {}
    for rate in (0.2, 0.5, 0.8, 0.95):
        hits = total = 0
        for rng in streams(audits, "clusters", patients, images, rate):
            people = groups * patients
            patient = np.repeat(np.arange(people), images)
            latent = np.sqrt(0.3) * rng.normal(size=people)[patient]
            latent += np.sqrt(0.7) * rng.normal(size=len(patient))
            # Only the decision matters: every row is a positive.
            score = (latent < ndtri(rate)).astype(np.float64)
            output = ScoredOutput(
                name="y",
                y=np.ones(len(patient)),
                score=score,
                threshold=0.5,
                space="value",
                patients=patient,
                attributes=(_attribute("g", patient // patients, groups),),
            )
            result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
            for group in result.groups:
                estimate = group.metrics["tpr"]
                hits += estimate.low <= rate <= estimate.high
                total += 1
        out[f"{rate:g}"] = {"coverage": hits / total, "intervals": total}
    return out


def areas(*, audits: int) -> dict[str, Any]:
    """Simulate the coverage of AUROC intervals from 30 positives a group."""
    groups = 40
    out = {}
    for auc in (0.7, 0.85, 0.95):
        for pos, neg in ((30, 30), (30, 300), (100, 300), (120, 1200)):
            hits = total = 0
            size = pos + neg
            for rng in streams(audits, "auc", auc, pos, neg):
                y = np.tile(np.r_[np.ones(pos), np.zeros(neg)], groups)
                score = y * np.sqrt(2) * ndtri(auc) + rng.normal(size=len(y))
                output = ScoredOutput(
                    name="y",
                    y=y,
                    score=score,
                    space="value",
                    attributes=(_attribute("g", np.arange(len(y)) // size, groups),),
                )
                result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
                for group in result.groups:
                    estimate = group.metrics["auroc"]
                    hits += estimate.low <= auc <= estimate.high
                    total += 1
            out[f"auc {auc:g}, {pos} and {neg}"] = {"coverage": hits / total, "intervals": total}
    return out


def calibration(*, audits: int) -> dict[str, Any]:
    """Simulate the coverage of the calibration metrics in groups of 100 to 1,000 patients."""
    out: dict[str, Any] = {}
    truth = {"oe_ratio": 1.0, "calibration_slope": 1.0, "calibration_intercept": 0.0}
    for size in (100, 300, 1000):
        hits = dict.fromkeys((*truth, "ece_debiased"), 0)
        total = dict.fromkeys(hits, 0)
        for rng in streams(audits, "calibration", size):
            groups = 20
            score = rng.beta(1.2, 4.0, groups * size)
            output = ScoredOutput(
                name="y",
                y=(rng.random(len(score)) < score).astype(np.int8),
                score=score,
                attributes=(_attribute("g", np.arange(len(score)) // size, groups),),
            )
            result = audit_fairness([output], load_policy(None, groups=["g"])).outputs[0]
            for group in result.groups:
                for name in hits:
                    estimate = group.metrics[name]
                    if estimate.low is not None:
                        hits[name] += estimate.low <= truth.get(name, 0.0) <= estimate.high
                        total[name] += 1
        out[f"{size} patients"] = {name: hits[name] / max(total[name], 1) for name in hits}
    return out


def _attribute(name: str, codes: np.ndarray, count: int) -> Attribute:
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(str(index) for index in range(count)),
        codes=np.asarray(codes, dtype=np.int32),
    )
