"""The slider tells at any threshold what an audit declared there would have told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.errors import AuditError
from audits.fairness import (
    ScoredOutput,
    ThresholdExplorer,
    audit_fairness,
)
from audits.policy import load_policy

POLICY = load_policy(None, groups=["sex", "age"], intersections=[["sex", "age"]])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.23, 0.5, 0.77, 1.0, 2.0])
def test_equals_the_audit_at_that_threshold(make_output, clustered, shared, threshold):
    output = make_output(700, clustered=clustered, shared=shared, threshold=threshold)
    explored = ThresholdExplorer(output, POLICY).at(threshold)
    audited = audit_fairness([output], POLICY).outputs[0]
    pairs = zip(
        (explored.overall, *explored.groups), (audited.overall, *audited.groups), strict=True
    )
    for first, second in pairs:
        assert first.attributes == second.attributes
        assert (first.n, first.positives) == (second.n, second.positives)
        for name, estimate in first.metrics.items():
            expected = second.metrics[name]
            assert (estimate.k, estimate.n) == (expected.k, expected.n)
            for field in ("value", "low", "high"):
                value, other = getattr(estimate, field), getattr(expected, field)
                if other is None:
                    assert value is None
                else:
                    assert value == pytest.approx(other, rel=1e-9, abs=1e-9), (name, field)


def test_it_is_marked_exploratory_and_has_no_verdict(make_output):
    output = make_output(300)
    data = ThresholdExplorer(output, POLICY).at(0.4).to_dict()
    json.dumps(data, allow_nan=False)
    assert data["exploratory"] is True
    assert "verdict" not in json.dumps(data["groups"])
    assert not any(group["declared"] for group in data["groups"])


def test_counts_stay_exact_between_the_thresholds_of_the_moments():
    rng = np.random.default_rng(0)
    n = 20_000
    output = ScoredOutput(
        name="y",
        y=rng.integers(0, 2, n),
        score=rng.random(n),
        patients=rng.integers(0, 6000, n),
    )
    explorer = ThresholdExplorer(output)
    for threshold in rng.random(20):
        found = explorer.at(threshold).overall.metrics["tpr"]
        assert found.k == int(((output.score >= threshold) & (output.y == 1)).sum())
        declared = ScoredOutput(
            name="y",
            y=output.y,
            score=output.score,
            patients=output.patients,
            threshold=threshold,
        )
        expected = audit_fairness([declared], POLICY).outputs[0].overall.metrics["tpr"]
        assert found.deff == pytest.approx(expected.deff, abs=0.01)


def test_a_regression_has_no_threshold():
    output = ScoredOutput(name="los", y=np.ones(3), score=np.ones(3), task="regression")
    with pytest.raises(AuditError, match="no threshold to explore"):
        ThresholdExplorer(output)
