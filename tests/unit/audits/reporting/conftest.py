"""One small audit for all formats, exact and restricted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.reporting import restrict, seal

ROWS = 700


def table() -> pd.DataFrame:
    """Return scores with a planted disparity and cells of fewer than ten people."""
    rng = np.random.default_rng(7)
    sex = rng.choice(["F", "M"], ROWS)
    band = rng.choice(["<40", "40-<80", ">=80"], ROWS, p=[0.48, 0.48, 0.04])
    y = rng.random(ROWS) < 0.35
    seen = np.where((sex == "F") & (band == "<40"), 0.35, 0.9)
    score = np.where(y & (rng.random(ROWS) < seen), 0.8, 0.2) + rng.normal(0, 0.05, ROWS)
    frame = {"y": y.astype(int), "s": score.clip(0, 1), "sex": sex, "age_band": band}
    return pd.DataFrame({**frame, "patient": np.arange(ROWS) // 2})


@pytest.fixture(scope="session")
def exact():
    result = audit_predictions(
        table(),
        label="y",
        score="s",
        groups=["sex", "age_band"],
        intersections=[["sex", "age_band"]],
        patient="patient",
        threshold=0.5,
    )
    return seal(result.to_dict(), "0" * 64)


@pytest.fixture(scope="session")
def restricted(exact):
    evidence = restrict(exact)
    evidence["policy"] = {
        **evidence["policy"],
        "suppression": {"release": "restricted", "cell": 10},
    }
    return seal(evidence, "0" * 64)


@pytest.fixture(scope="session")
def survival():
    """An audit of a survival outcome: further measures, a horizon, no threshold."""
    rng = np.random.default_rng(3)
    sex = rng.choice(["F", "M"], ROWS)
    risk = rng.normal(0, 1, ROWS)
    event, leaving = rng.exponential(20 * np.exp(-risk)), rng.exponential(30, ROWS)
    frame = pd.DataFrame(
        {
            "sex": sex,
            "risk": 1 / (1 + np.exp(-risk - rng.normal(0, 0.4, ROWS) * (sex == "F"))),
            "days": np.minimum(event, leaving).round(1) + 0.1,
            "death": (event <= leaving).astype(int),
        }
    )
    result = audit_predictions(
        frame, label="death", event="death", time="days", score="risk", task="survival",
        groups=["sex"],
    )  # fmt: skip
    return seal(result.to_dict(), "0" * 64)


@pytest.fixture(scope="session")
def regression():
    """An audit of a number: errors with their limits of agreement."""
    rng = np.random.default_rng(4)
    truth = rng.normal(60, 10, ROWS)
    frame = {"sex": rng.choice(["F", "M"], ROWS), "ef": truth, "s": truth + rng.normal(0, 4, ROWS)}
    result = audit_predictions(
        pd.DataFrame(frame), label="ef", score="s", task="regression", space="value",
        groups=["sex"],
    )  # fmt: skip
    return seal(result.to_dict(), "0" * 64)
