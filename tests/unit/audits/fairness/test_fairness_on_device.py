"""What a GPU runs, on PyTorch's CPU device."""

from __future__ import annotations

import numpy as np
import pytest

from audits.fairness import counts as counting
from audits.fairness.bootstrap import bootstrap_section, patient_profiles
from audits.fairness.counts import Counts
from audits.fairness.families import marginal
from audits.fairness.frame import build_frame
from audits.fairness.on_device import count_on, resample_on
from audits.policy import load_policy


def test_counts_are_those_of_numpy(make_output, monkeypatch):
    output = make_output(3000, ties=True)
    ours = Counts.of(output)
    monkeypatch.setattr(counting, "count_on", lambda _device, *columns: count_on("cpu", *columns))
    theirs = Counts.of(output, device="cuda")
    for name in ("scores", "cell", "place", "pos", "neg"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_resamples_keep_the_patients_and_the_law(make_output):
    output = make_output(2000)
    frame = build_frame(output)
    family = marginal(frame, output.attributes[1], declared=True)
    profiles = patient_profiles(frame, family, frame.score >= 0.5)
    cells = profiles.cells.toarray()
    drawn = resample_on("cpu", profiles.counts, cells, replicates=3000, seed=1)
    whole = profiles.counts @ cells
    spread = np.sqrt(profiles.counts @ cells**2 - whole**2 / profiles.counts.sum())
    assert drawn.mean(axis=0) == pytest.approx(whole, abs=5 * spread.max() / np.sqrt(3000))
    assert drawn.std(axis=0) == pytest.approx(spread, rel=0.1)
    patients = resample_on("cpu", profiles.counts, np.ones((len(cells), 1)), replicates=50, seed=2)
    assert set(patients[:, 0]) == {float(frame.patients)}


def test_the_view_of_a_run(make_output):
    output = make_output(2500)
    section = bootstrap_section(output, load_policy(None, groups=["age"]), replicates=300)
    assert section["groups"][0]["attributes"] == {}
    tpr = section["groups"][0]["metrics"]["tpr"]
    assert tpr["low"] < tpr["value"] < tpr["high"]
    assert tpr["method"] == "percentile bootstrap of patients, 300 replicates"
    assert "verdicts never use them" in section["note"]
