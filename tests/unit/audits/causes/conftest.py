"""Cohorts with known causes, and a check that every estimate is one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput
from audits.policy import load_policy


def grouping(name, levels, codes):
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(levels),
        codes=np.asarray(codes, dtype=np.int32),
    )


@pytest.fixture(scope="session")
def make_grouping():
    return grouping


@pytest.fixture(scope="session")
def policy_for():
    """Return a maker of policies for some groups, with further sections."""

    def make(*groups, **sections):
        audit = {"groups": list(groups)}
        return load_policy({"audit": audit | sections.pop("audit", {}), **sections})

    return make


@pytest.fixture(scope="session")
def cohort():
    """Return a maker of outputs: patients with repeats, three attributes, unknown values."""

    def make(n=1500, *, seed=0, clustered=True, threshold=0.5, **changes):
        rng = np.random.default_rng(seed)
        patients = rng.integers(0, n // 2, n) if clustered else np.arange(n)
        size = int(patients.max()) + 1
        sex = rng.choice(2, size, p=[0.45, 0.55])[patients]
        age = rng.choice(3, size, p=[0.3, 0.4, 0.3])[patients]
        race = rng.choice(4, size, p=[0.5, 0.3, 0.15, 0.05])[patients]
        y = (rng.random(n) < 0.2 + 0.1 * age).astype(np.int8)
        latent = 1.6 * y - 1 + 0.4 * (age - 1) - 0.5 * (race == 1) * y
        score = 1 / (1 + np.exp(-(latent + rng.normal(size=n))))
        given = {
            "name": "finding",
            "model": "m@1",
            "label_column": "y",
            "y": y,
            "score": score,
            "threshold": threshold,
            "patients": patients.astype(np.int64) if clustered else None,
            "attributes": (
                grouping("sex", ("F", "M"), sex),
                grouping("age", ("<40", "40-<60", ">=60"), age),
                grouping("race", ("A", "B", "C", "Unknown"), race),
            ),
        }
        return ScoredOutput(**(given | changes))

    return make


def estimates_in(value, path="") -> Iterator[tuple[str, dict]]:
    """Walk a result and yield every ESTIMATE with its place."""
    if isinstance(value, dict):
        if {"value", "low", "high", "level", "method"} <= set(value):
            yield path, value
        for key, item in value.items():
            yield from estimates_in(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from estimates_in(item, f"{path}[{index}]")


@pytest.fixture(scope="session")
def check_estimates():
    """Return a check: strict JSON, no value without interval or reason, no zero width."""

    def check(result):
        json.dumps(result, allow_nan=False)
        found = list(estimates_in(result))
        for path, one in found:
            if one["value"] is None:
                assert one.get("reason"), path
                assert one["low"] is None, path
                assert one["high"] is None, path
                continue
            assert math.isfinite(one["value"]), path
            assert one["n"] is not None, path
            assert one["n"] > 0, path
            if one["low"] is None:
                assert one.get("reason"), path
                continue
            assert one["low"] <= one["value"] + 1e-9, (path, one)
            assert one["value"] <= one["high"] + 1e-9, (path, one)
            assert one["high"] - one["low"] > 1e-9 * abs(one["value"]), (path, one)
            assert one["method"], path
        return len(found)

    return check
