"""The cohort: people, what happens to them, and the three splits, by patient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sample_data.generate.icu.people import draw_patients, draw_stays
from sample_data.generate.icu.physiology import deteriorate, fail_organs, measure
from sample_data.generate.icu.variables import CONDITIONS, MEASUREMENTS

SEED = 20261121
PATIENTS = {"train": 15_000, "tune": 3_000, "test": 6_000}

COLUMNS = (
    "case_id",
    "patient_id",
    "split",
    "admitted",
    "site",
    "unit",
    "age",
    "sex",
    "race",
    "ethnicity",
    "language",
    "insurance",
    "deprivation_index",
    *(condition.name for condition in CONDITIONS),
    *(measurement.name for measurement in MEASUREMENTS),
    "deterioration",
    "recorded_deterioration",
)


def generate_cohort(seed: int = SEED, patients: dict[str, int] | None = None) -> pd.DataFrame:
    """Generate every stay of the study.

    Args:
        seed: Seed; each stage has its own stream, so a change in one leaves the others alone.
        patients: Patients of each split; the shipped study's numbers by default.

    Returns:
        One row per stay with :data:`COLUMNS`; the same seed gives the same frame.
    """
    sizes = patients or PATIENTS
    streams = np.random.SeedSequence(seed).spawn(5)
    who, when, ill, charted, ends = (np.random.Generator(np.random.PCG64(s)) for s in streams)
    stays = draw_stays(when, draw_patients(who, sum(sizes.values())))
    causes = fail_organs(ill, stays)
    for name, values in measure(charted, causes).items():
        stays[name] = values
    stays["deterioration"], stays["recorded_deterioration"] = deteriorate(ends, stays, causes)
    split = np.repeat(list(sizes), list(sizes.values()))
    stays["split"] = split[stays["patient"]]
    stays["patient_id"] = [f"P{number + 1:05d}" for number in stays["patient"]]
    stays["case_id"] = [f"S{number + 1:05d}" for number in range(len(stays))]
    return _compact(stays.loc[:, list(COLUMNS)])


def _compact(stays: pd.DataFrame) -> pd.DataFrame:
    """Store numbers as narrow as their precision asks, so that the file stays small."""
    whole = ["age", "deprivation_index", *(condition.name for condition in CONDITIONS)]
    return stays.astype({**dict.fromkeys(whole, np.int8), "admitted": "datetime64[ms]"})
