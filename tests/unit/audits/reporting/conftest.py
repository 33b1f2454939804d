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
