"""A cohort for the tests of the GPU."""

from __future__ import annotations

import numpy as np
import pytest

from audits.cohorts import Attribute
from audits.fairness import ScoredOutput


@pytest.fixture
def cohort():
    return make


def make(rows: int) -> ScoredOutput:
    """Return rows of repeated patients, scores of three digits and two attributes."""
    rng = np.random.default_rng(7)
    risk = np.round(rng.beta(1.5, 3.0, rows), 3)
    attributes = tuple(
        Attribute(
            name=name,
            column=name,
            kind="demographic",
            levels=levels,
            codes=rng.integers(0, len(levels), rows).astype(np.int32),
        )
        for name, levels in (("sex", ("F", "M")), ("age", ("<40", "40-<65", ">=65")))
    )
    return ScoredOutput(
        name="died",
        y=(rng.random(rows) < risk).astype(np.int8),
        score=risk,
        threshold=0.4,
        patients=rng.integers(0, rows // 3, rows),
        attributes=attributes,
    )
