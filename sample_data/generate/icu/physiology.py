"""What happens to a patient: organ failures, what is measured of them, and the outcome.

Arrows of the structural causal model in this file (every ε is standard normal)::

    severity     = frailty + 0.85 ε                            per stay, standard deviation 1
    organ        = load · severity + Σ condition + unit + ε √(1 - load²)
    measurement  = base + Σ load · organ + noise · ε           (variables.py, one row each)
    measured     ~ Bernoulli(expit(ordered + Σ severity, organs))       informative missingness
    deterioration~ Bernoulli(expit(intercept + Σ weight · organ))       the adjudicated truth
    recorded     ~ deterioration × Bernoulli(access)                    what 1.0 was trained on
    access       = 0.97                                        patients who are not Black
                 = expit(logit + slope · acuity)               Black patients

No arrow leads from race, ethnicity, language or insurance to severity, to an organ, to what is
measured or to the outcome: the need for care is equal by construction. ``recorded`` stands for a
label taken from treatment (rapid response, vasopressors, ventilation): where access to these was
worse, only the plainest deteriorations left a record. That is the planted label bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from sample_data.generate.icu.people import decades
from sample_data.generate.icu.variables import MEASUREMENTS, Measurement

Causes = Mapping[str, npt.NDArray[np.float64]]

ORGANS: dict[str, tuple[float, dict[str, float]]] = {
    "circulation": (0.60, {"heart_failure": 0.35, "unit_cardiac": 0.35}),
    "breathing": (0.60, {"copd": 0.5, "unit_medical": 0.15}),
    "kidney": (0.50, {"ckd": 0.4, "heart_failure": 0.15}),
    "liver": (0.40, {"cirrhosis": 0.9}),
    "infection": (0.45, {"cancer": 0.2, "unit_surgical": 0.15, "diabetes": 0.1}),
    "brain": (0.30, {"unit_neuro": 0.7, "age_decades": 0.05}),
}
"""Organ -> load on severity, and what else makes it fail."""

OUTCOME = {
    "circulation": 1.05,
    "breathing": 1.00,
    "kidney": 0.45,
    "liver": 0.35,
    "infection": 0.50,
    "brain": 0.45,
    "brain_in_neuro": 1.60,
    "unit_neuro": -1.30,
    "age_decades": 0.10,
}
INTERCEPT = -3.1

ACCESS = 0.97
ACCESS_BLACK = (-2.6, 0.45)
"""Logit of being recorded for a deteriorating Black patient of acuity 0, and its slope."""


def fail_organs(rng: np.random.Generator, stays: pd.DataFrame) -> dict[str, npt.NDArray]:
    """Draw severity and organ failures of every stay, with the causes the equations name."""
    n = len(stays)
    causes = {
        name: stays[name].to_numpy(np.float64)
        for name in ("diabetes", "heart_failure", "copd", "ckd", "cirrhosis", "cancer")
    }
    for unit in ("Medical", "Surgical", "Cardiac", "Neuro"):
        causes[f"unit_{unit.lower()}"] = (stays["unit"] == unit).to_numpy(np.float64)
    causes["male"] = (stays["sex"] == "M").to_numpy(np.float64)
    causes["age_decades"] = decades(stays["age"].to_numpy())
    causes["severity"] = stays["frailty"].to_numpy() + 0.85 * rng.normal(0, 1, n)
    for organ, (load, others) in ORGANS.items():
        own = np.sqrt(1 - load**2) * rng.normal(0, 1, n)
        causes[organ] = load * causes["severity"] + _sum(others, causes) + own
    causes["brain_in_neuro"] = causes["brain"] * causes["unit_neuro"]
    return causes


def measure(rng: np.random.Generator, causes: Causes) -> dict[str, npt.NDArray[np.float32]]:
    """Draw every measurement as charted, NaN where it was not measured.

    Returns:
        Variable -> float32 (n,), rounded and cut off as a chart would show it.
    """
    return {item.name: _chart(rng, item, causes) for item in MEASUREMENTS}


def deteriorate(
    rng: np.random.Generator, stays: pd.DataFrame, causes: Causes
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Draw the outcome within 24 hours.

    Returns:
        The adjudicated truth and the recorded label, int8 (n,) each; recorded implies true.
    """
    acuity = _sum(OUTCOME, causes)
    truth = rng.random(len(stays)) < expit(INTERCEPT + acuity)
    logit, slope = ACCESS_BLACK
    black = (stays["race"] == "Black").to_numpy()
    access = np.where(black, expit(logit + slope * (acuity - acuity.mean())), ACCESS)
    recorded = truth & (rng.random(len(stays)) < access)
    return truth.astype(np.int8), recorded.astype(np.int8)


def _sum(weights: Mapping[str, float], causes: Causes) -> npt.NDArray[np.float64]:
    return np.sum([weight * causes[name] for name, weight in weights.items()], axis=0)


def _chart(rng: np.random.Generator, item: Measurement, causes: Causes) -> npt.NDArray[np.float32]:
    n = len(causes["severity"])
    value = item.base + _sum(item.loads, causes) + item.noise * rng.normal(0, 1, n)
    value = np.exp(value) if item.log else value
    charted = np.round(np.clip(value, *item.limits), item.decimals)
    chance = np.full(n, item.ordered)
    if item.ordered_by:
        chance = chance + _sum(item.ordered_by, causes)
    charted[rng.random(n) >= expit(chance)] = np.nan
    return charted.astype(np.float32)
