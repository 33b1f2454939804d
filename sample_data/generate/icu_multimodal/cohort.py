"""Who is in the study, who declines, and what was measured when.

Arrows (every ε is independent)::

    age, sex, language, site    ~ independent of each other
    decline                     ~ 0 for most, positive for the rest; independent of the person
    effusion                    <- age
    deterioration               <- decline, age, effusion
    vitals in the last 6 hours  <- decline      lactate rises, mean arterial pressure falls
    times of measurement        <- language     Spanish-speaking patients are measured less often
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from .design import HOURS, LATE, OUTCOME, PATIENTS, SPARSE_FACTOR, SPARSE_LANGUAGE, VITALS, Vital

Floats = npt.NDArray[np.float64]


def draw_stays(rng: np.random.Generator, sizes: dict[str, int] | None = None) -> pd.DataFrame:
    """Draw one stay per patient; ``decline`` is what drives the outcome and is not written."""
    wanted = sizes or PATIENTS
    n = sum(wanted.values())
    age = np.clip(np.floor(rng.normal(63, 15, n)), 18, 96)
    decline = np.where(rng.random(n) < 0.34, rng.gamma(6.0, 0.25, n), 0.0)
    effusion = rng.random(n) < expit(-1.6 + 0.03 * (age - 63))
    days = rng.integers(0, 3 * 365, n)
    stays = pd.DataFrame(
        {
            "case_id": [f"M{number + 1:05d}" for number in range(n)],
            "patient_id": [f"Q{number + 1:05d}" for number in range(n)],
            "split": np.repeat(list(wanted), list(wanted.values())),
            "admitted": (np.datetime64("2021-01-01", "ms") + days.astype("timedelta64[D]")),
            "age": age.astype(np.int8),
            "sex": np.where(rng.random(n) < 0.47, "F", "M"),
            "language": rng.choice(["English", SPARSE_LANGUAGE, "Other"], n, p=[0.66, 0.26, 0.08]),
            "site": rng.choice(["Lakeside", "Northgate"], n, p=[0.6, 0.4]),
            "decline": decline,
            "effusion": effusion,
        }
    )
    logit = -3.5 + 3.1 * decline + 0.03 * (age - 63) + 1.3 * effusion
    stays[OUTCOME] = (rng.random(n) < expit(logit)).astype(np.int8)
    return stays


def measure(rng: np.random.Generator, stays: pd.DataFrame) -> pd.DataFrame:
    """Return ``case_id``, ``time`` (hours since admission), ``variable`` and ``value``."""
    parts = [_one_vital(rng, stays, vital) for vital in VITALS]
    table = pd.concat(parts).sort_values(["row", "time", "variable"], kind="stable")
    table.insert(0, "case_id", stays["case_id"].to_numpy()[table.pop("row")])
    return table.reset_index(drop=True)


def late_course(hour: Floats) -> Floats:
    """Return how much of a decline shows at an hour: 0 before the last six, then rising to 1."""
    return np.clip((hour - (HOURS - LATE)) / (LATE - 1.0), 0.0, 1.0)


def _one_vital(rng: np.random.Generator, stays: pd.DataFrame, vital: Vital) -> pd.DataFrame:
    sparse = (stays["language"] == SPARSE_LANGUAGE).to_numpy()
    gap = np.where(sparse, vital.every * SPARSE_FACTOR, vital.every)
    most = int(np.ceil(HOURS / vital.every * 2)) + 2
    waits = rng.gamma(4.0, 0.25, (len(stays), most)) * gap[:, None]
    hour = np.cumsum(waits, axis=1) - waits[:, :1] * rng.random((len(stays), 1))
    row, place = np.nonzero(hour < HOURS)
    when = np.floor(hour[row, place] * 20) / 20  # charted to three minutes
    own = vital.centre + vital.between * rng.normal(size=len(stays))
    shift = vital.late * stays["decline"].to_numpy()
    value = own[row] + shift[row] * late_course(when) + vital.within * rng.normal(size=len(row))
    value = np.maximum(value, vital.floor)
    if vital.name == "spo2":
        value = np.minimum(value, 100)
    return pd.DataFrame(
        {
            "row": row,
            "time": when.astype(np.float32),
            "variable": vital.name,
            "value": np.round(value, vital.digits).astype(np.float32),
        }
    )
