"""What `make gpu` times of imaging runs on the CPU as well, in a tiny form."""

from __future__ import annotations

import pytest

gpu = pytest.importorskip("benchmarks.gpu", reason="benchmarks are not part of an installation")


def test_images_a_second_with_maps_against_prediction_alone(capsys):
    share = gpu.bench_maps("cpu", 2, side=64, cohort_size=4)
    assert share > 0
    printed = capsys.readouterr().out
    assert "prediction and 14 maps" in printed
    assert "100,000, extrapolated" in printed
