"""What was computed once is not computed again, and nothing else is taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from audits.cancel import CancelledRun
from audits.cohorts import open_study
from audits.predictions import predict_cohort
from audits.predictions.cache import FOLDER


@pytest.fixture
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_the_second_time_the_model_is_not_run(study, mean_model, counting_engine, cache):
    model = mean_model(given={"f": 0.5, "b": 0.2})
    engine = counting_engine(model)
    first = predict_cohort(study, model, maps=engine, cache=cache)
    model.sizes.clear()
    again = predict_cohort(study, model, maps=engine, cache=cache)
    assert not first.from_cache
    assert again.from_cache
    assert model.sizes == []
    np.testing.assert_array_equal(first.scores, again.scores)
    np.testing.assert_array_equal(first.maps.values, again.maps.values)
    assert first.skipped == again.skipped
    assert first.findings == again.findings
    assert first.case_ids == again.case_ids


def test_other_weights_device_maps_or_study_are_computed_anew(
    study, study_folder, mean_model, counting_engine, cache
):
    predict_cohort(study, mean_model(), cache=cache)
    assert not predict_cohort(study, mean_model(offset=1.0), cache=cache).from_cache
    other = mean_model(device="cuda")
    assert predict_cohort(study, mean_model(), cache=cache).sha256 != _key(study, other)
    engine = counting_engine(mean_model())
    assert not predict_cohort(study, mean_model(), maps=engine, cache=cache).from_cache
    (study_folder / "a.png").write_bytes((study_folder / "b.png").read_bytes())
    assert not predict_cohort(open_study(study_folder), mean_model(), cache=cache).from_cache


def _key(study, adapter):
    from audits.predictions.cache import entry_sha256

    return entry_sha256(study, adapter, None)


def test_a_damaged_entry_is_computed_anew(study, mean_model, cache):
    first = predict_cohort(study, mean_model(), cache=cache)
    entry = cache / FOLDER / f"{first.sha256}.npz"
    entry.write_bytes(entry.read_bytes()[:100])
    again = predict_cohort(study, mean_model(), cache=cache)
    assert not again.from_cache
    assert predict_cohort(study, mean_model(), cache=cache).from_cache


def test_nothing_is_left_behind_by_a_run_that_ends_early(study, mean_model, cache):
    with pytest.raises(CancelledRun):
        predict_cohort(study, mean_model(), cache=cache, cancel=lambda: True)
    assert not list(cache.rglob("*.*"))
    predict_cohort(study, mean_model(), cache=cache)
    assert [path.suffix for path in (cache / FOLDER).iterdir()] == [".npz"]
