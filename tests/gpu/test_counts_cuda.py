"""The GPU counts what the CPU counts, and resamples by the same law."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audits.fairness.bootstrap import bootstrap_section
from audits.fairness.counts import Counts
from audits.policy import load_policy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_counts_are_the_same(cohort):
    output = cohort(200_000)
    ours, theirs = Counts.of(output), Counts.of(output, device="cuda")
    for name in ("scores", "cell", "place", "pos", "neg"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_intervals_of_resamples_agree(cohort):
    output = cohort(50_000)
    policy = load_policy(None, groups=["sex", "age"])
    cpu, cuda = (
        bootstrap_section(output, policy, replicates=4_000, device=device)["groups"]
        for device in ("cpu", "cuda")
    )
    for one, other in zip(cpu, cuda, strict=True):
        for name, estimate in one["metrics"].items():
            found = other["metrics"][name]
            width = estimate["high"] - estimate["low"]
            assert found["value"] == estimate["value"]
            assert found["low"] == pytest.approx(estimate["low"], abs=0.1 * width)
            assert found["high"] == pytest.approx(estimate["high"], abs=0.1 * width)


def test_the_same_seed_gives_the_same_resamples(cohort):
    output = cohort(5_000)
    policy = load_policy(None, groups=["sex"])
    one, other = (
        bootstrap_section(output, policy, replicates=500, seed=3, device="cuda") for _ in range(2)
    )
    assert one == other
