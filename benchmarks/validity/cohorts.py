"""Simulated cohorts: 50 unequal intersections whose prevalence differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr, ndtri

SEX = (0.55, 0.45)
AGE = (0.08, 0.17, 0.25, 0.3, 0.2)
RACE = (0.5, 0.2, 0.15, 0.1, 0.05)
CELLS = len(SEX) * len(AGE) * len(RACE)
GROUPS = ("sex", "age", "race")
IMAGES = 4
ICC = 0.3
FALSE_ALARMS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a cohort is drawn from.

    Attributes:
        n: Rows.
        clustered: Four rows a patient with correlation 0.3 between their scores, or one row.
        auc: AUROC within every group that is not shifted.
        shift_pos: Shift of the positives' latent score in each of the 50 cells.
        shift_neg: The same for the negatives.
    """

    n: int
    clustered: bool
    auc: float = 0.85
    shift_pos: tuple[float, ...] = (0.0,) * CELLS
    shift_neg: tuple[float, ...] = (0.0,) * CELLS

    @property
    def distance(self) -> float:
        """Return the distance of the classes' latent means."""
        return float(np.sqrt(2) * ndtri(self.auc))

    @property
    def threshold(self) -> float:
        """Return the threshold at which the false positive rate is 0.15 without a shift."""
        return float(-ndtri(FALSE_ALARMS))

    def tpr(self) -> np.ndarray:
        """Return the true positive rate of each cell, (50,)."""
        return np.asarray(ndtr(self.distance + np.asarray(self.shift_pos) - self.threshold))

    def fpr(self) -> np.ndarray:
        """Return the false positive rate of each cell, (50,)."""
        return np.asarray(ndtr(np.asarray(self.shift_neg) - self.threshold))


def draw(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """Draw a cohort: prevalence .08 to .40 by age and race, the same score distributions."""
    patients = design.n // IMAGES if design.clustered else design.n
    patient = np.repeat(np.arange(patients), IMAGES) if design.clustered else np.arange(patients)
    rows = len(patient)
    sex = rng.choice(len(SEX), patients, p=SEX)[patient]
    age = rng.choice(len(AGE), patients, p=AGE)[patient]
    race = rng.choice(len(RACE), patients, p=RACE)[patient]
    y = rng.random(rows) < 0.08 + 0.05 * age + 0.03 * race
    noise = rng.normal(size=rows)
    if design.clustered:
        noise = np.sqrt(ICC) * rng.normal(size=patients)[patient] + np.sqrt(1 - ICC) * noise
    cell = cell_of(sex, age, race)
    positive = design.distance + np.asarray(design.shift_pos)[cell]
    score = np.where(y, positive, np.asarray(design.shift_neg)[cell]) + noise
    return pd.DataFrame(
        {
            "y": y.astype(np.int8),
            "score": score,
            "patient": patient,
            "sex": sex,
            "age": age,
            "race": race,
        }
    )


def cell_of(sex: np.ndarray, age: np.ndarray, race: np.ndarray) -> np.ndarray:
    """Return the index of the intersection."""
    return (sex * len(AGE) + age) * len(RACE) + race


def draw_calibrated(n: int, rng: np.random.Generator, *, clustered: bool) -> pd.DataFrame:
    """Draw a cohort whose probabilities are right in every group, with unlike distributions."""
    table = draw(Design(n=n, clustered=clustered), rng)
    risk = -2.2 + 0.25 * table["age"] + 0.15 * table["race"] + rng.normal(size=len(table))
    table["score"] = expit(risk)
    table["y"] = (rng.random(len(table)) < table["score"]).astype(np.int8)
    return table
