"""A cohort with everything that makes an audit hard: repeats, ties, small and unequal groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput

Maker = Callable[..., ScoredOutput]


@pytest.fixture(scope="session")
def make_output() -> Maker:
    """Return a maker of outputs; ``shared`` lets a patient's rows fall into several groups."""

    def make(n=900, *, seed=0, clustered=True, shared=False, ties=False, threshold=0.5):
        rng = np.random.default_rng(seed)
        patients = rng.integers(0, n // 3, n) if clustered else np.arange(n)
        size = int(patients.max()) + 1
        of = (lambda values: values[np.arange(n)]) if shared else (lambda values: values[patients])
        length = n if shared else size
        sex = of(rng.choice(2, length, p=[0.55, 0.45]))
        age = of(rng.choice(4, length, p=[0.1, 0.2, 0.3, 0.4]))
        effect = rng.normal(size=size)[patients]
        y = (rng.random(n) < 0.25 + 0.05 * age).astype(np.int8)
        score = 1 / (1 + np.exp(-(1.5 * y - 1 + 0.6 * effect + 0.8 * rng.normal(size=n))))
        if ties:
            score = np.round(score, 1)
        return ScoredOutput(
            name="finding",
            label_column="y",
            y=y,
            score=score,
            threshold=threshold,
            patients=patients.astype(np.int64) if clustered else None,
            attributes=(
                attribute("sex", ("F", "M"), sex),
                attribute("age", ("<20", "20-<40", "40-<60", ">=60"), age),
            ),
        )

    return make


def attribute(name, levels, codes):
    """Return an attribute with the given codes."""
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(levels),
        codes=np.asarray(codes, dtype=np.int32),
    )


@pytest.fixture(scope="session")
def make_attribute():
    """Return the maker of attributes."""
    return attribute


@pytest.fixture(scope="session")
def subset():
    """Return a function that keeps some rows of an output."""

    def take(output, rows):
        return ScoredOutput(
            name=output.name,
            label_column=output.label_column,
            y=output.y[rows],
            score=output.score[rows],
            threshold=output.threshold,
            patients=None if output.patients is None else output.patients[rows],
            attributes=tuple(item.take(rows) for item in output.attributes),
        )

    return take
