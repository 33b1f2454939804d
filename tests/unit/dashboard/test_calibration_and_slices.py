"""What the page draws of calibration, and says of slices."""

from __future__ import annotations

import numpy as np

from dashboard.queries.calibration import _bins
from dashboard.views.slice_parts import _row


def test_bins_of_repeated_patients_are_as_wide_as_one_row_each():
    """Four alike cases of each patient say no more than one of them."""
    rng = np.random.default_rng(0)
    risk = rng.random(400)
    label = (rng.random(400) < risk).astype(np.int64)
    once = _bins("g", risk, label, None)
    four = _bins("g", np.repeat(risk, 4), np.repeat(label, 4), np.repeat(np.arange(400), 4))
    assert [one.n * 4 for one in once] == [one.n for one in four]
    for one, same in zip(once, four, strict=True):
        assert same.observed == one.observed
        assert same.high - same.low >= one.high - one.low - 1e-9


def test_a_slice_names_what_it_overlaps_with():
    row = _row(
        {
            "conditions": ["view = PA"],
            "metric": "tpr",
            "merged": [["site = North"], ["sex = F", "view = AP"], ["sex = M"]],
            "p": 0.004,
        },
        {"view": "Projection"},
    )
    assert row["Slice"] == "Projection: PA"
    assert "1 more" in row["Overlaps with"]
    assert "and" in row["Overlaps with"]
    assert _row({"conditions": ["sex = F"], "metric": "fpr"}, {})["Overlaps with"] == "–"
