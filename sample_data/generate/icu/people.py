"""Who comes to intensive care: patients, their stays, and what the study knows of them.

Arrows of the structural causal model in this file (every ε is independent)::

    race, ethnicity          ~ categorical; independent of illness by construction
    deprivation_index       <- race, ethnicity      residential segregation: the proxy
    insurance               <- age, deprivation_index
    language                <- ethnicity
    age, sex                 ~ independent of race
    conditions              <- age
    site, unit               ~ independent of the person; unit <- age, slightly
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, ndtr

from sample_data.generate.icu.variables import CONDITIONS

RACES = {"White": 0.58, "Black": 0.20, "Asian": 0.09, "Other": 0.10, None: 0.03}
STAYS = (0.74, 0.187, 0.073)
"""Share of patients with one, two and three stays: 1.333 stays a patient."""

SEGREGATION = 2.8
"""Shift of a Black patient's neighbourhood deprivation, in its standard deviations."""

CONDITION_LOGITS = {
    "diabetes": (-1.1, 0.20),
    "heart_failure": (-1.7, 0.35),
    "copd": (-1.8, 0.25),
    "ckd": (-1.7, 0.35),
    "cirrhosis": (-2.8, 0.00),
    "cancer": (-2.0, 0.20),
}
"""Condition -> logit of having it at age 60, and its change per decade."""


def draw_patients(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw n patients, one row each.

    Returns:
        A frame with what does not change between a patient's stays, and ``frailty``, the part of
        the severity that a patient brings to every stay (standard deviation 0.5).
    """
    race = rng.choice(np.array(list(RACES), dtype=object), n, p=list(RACES.values()))
    hispanic = rng.random(n) < np.where(race == "Other", 0.6, 0.10)
    ethnicity = np.where(hispanic, "Hispanic or Latino", "Not Hispanic or Latino").astype(object)
    ethnicity[rng.random(n) < 0.04] = None
    age = np.clip(rng.normal(62, 16, n), 18, 96)
    deprivation = rng.normal(0, 1, n) + SEGREGATION * (race == "Black") + 0.4 * hispanic - 0.6
    return pd.DataFrame(
        {
            "age_first": age,
            "sex": np.where(rng.random(n) < 0.48, "F", "M"),
            "race": race,
            "ethnicity": ethnicity,
            "language": _languages(rng, hispanic),
            "insurance": _insurances(rng, age, deprivation),
            "deprivation_index": np.clip(np.ceil(100 * ndtr(deprivation / 1.35)), 1, 100),
            **_conditions(rng, age),
            "frailty": rng.normal(0, 0.5, n),
        }
    )


def draw_stays(rng: np.random.Generator, patients: pd.DataFrame) -> pd.DataFrame:
    """Draw one to three stays for every patient, in order of patient and time.

    Returns:
        One row per stay with the patient's columns, ``patient`` (row of the patient), ``age``,
        ``admitted``, ``site`` and ``unit``.
    """
    counts = rng.choice([1, 2, 3], len(patients), p=STAYS)
    patient = np.repeat(np.arange(len(patients)), counts)
    stays = patients.loc[patient].reset_index(drop=True)
    n = len(stays)
    ordinal = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    first = rng.integers(0, 5 * 365, len(patients))[patient]
    days = first + ordinal * rng.integers(60, 300, n) + ordinal**2 * 120
    minutes = rng.integers(0, 24 * 60, n)
    stays["patient"] = patient
    stays["age"] = np.floor(np.clip(stays.pop("age_first") + (days - first) / 365.25, 18, 98))
    stays["admitted"] = np.datetime64("2018-01-01T00:00") + (days * 1440 + minutes).astype(
        "timedelta64[m]"
    )
    stays["site"] = rng.choice(["Lakeside", "Northgate", "Riverton"], n, p=[0.45, 0.3, 0.25])
    stays["unit"] = _units(rng, stays["age"].to_numpy())
    return stays


def decades(age: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return age as decades from 60, the form in which the model's equations use it."""
    return (age - 60) / 10


def _languages(
    rng: np.random.Generator, hispanic: npt.NDArray[np.bool_]
) -> npt.NDArray[np.object_]:
    draw = rng.random(len(hispanic))
    spanish = np.where(hispanic, 0.45, 0.01)
    return np.where(draw < spanish, "Spanish", np.where(draw > 0.94, "Other", "English")).astype(
        object
    )


def _insurances(
    rng: np.random.Generator, age: npt.NDArray[np.float64], deprivation: npt.NDArray[np.float64]
) -> npt.NDArray[np.object_]:
    old = (age >= 65) & (rng.random(len(age)) < 0.93)
    poor = rng.random(len(age)) < expit(-0.9 + 0.35 * deprivation)
    uninsured = rng.random(len(age)) < expit(-2.0 + 0.15 * deprivation)
    kind = np.where(poor, "Medicaid", "Private")
    kind = np.where(uninsured, "Uninsured", kind)
    return np.where(old, "Medicare", kind).astype(object)


def _conditions(
    rng: np.random.Generator, age: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.float64]]:
    out = {}
    for condition in CONDITIONS:
        at_sixty, per_decade = CONDITION_LOGITS[condition.name]
        chance = expit(at_sixty + per_decade * decades(age))
        out[condition.name] = (rng.random(len(age)) < chance).astype(np.float64)
    return out


def _units(rng: np.random.Generator, age: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    cardiac = expit(-1.5 + 0.15 * decades(age))
    draw = rng.random(len(age))
    rest = (draw - cardiac) / (1 - cardiac)
    other = np.where(rest < 0.45, "Medical", np.where(rest < 0.75, "Surgical", "Neuro"))
    return np.where(draw < cardiac, "Cardiac", other).astype(object)
