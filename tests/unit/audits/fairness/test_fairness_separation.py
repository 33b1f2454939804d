"""A calibration slope exists only where no score parts the classes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy


def slope(y, score):
    output = ScoredOutput(
        name="y", y=np.array(y, dtype=np.int8), score=np.array(score, dtype=float), threshold=0.5
    )
    return (
        audit_fairness([output], load_policy(None)).outputs[0].overall.metrics["calibration_slope"]
    )


@pytest.mark.parametrize(
    ("y", "score"),
    [
        ([1, 0, 0], [0.2, 0.2, 0.8]),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.9]),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9]),
    ],
)
def test_separated_classes_have_no_slope_in_any_order(y, score):
    for order in itertools.permutations(range(len(y))):
        found = slope([y[i] for i in order], [score[i] for i in order])
        assert found.value is None
        assert found.reason


def test_overlapping_classes_have_one():
    assert slope([0, 1, 0, 1], [0.1, 0.3, 0.5, 0.9]).value is not None
