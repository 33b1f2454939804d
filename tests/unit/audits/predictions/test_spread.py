"""A cohort scored by Ray gives what one process gives; what travels needs no pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audits.cohorts import open_study
from audits.errors import AuditError
from audits.predictions import predict_cohort
from audits.predictions import spread as spreading
from audits.predictions.forward import Forwarded
from audits.predictions.spread import Spread, packed, predict_spread, unpacked
from audits.types import Skipped
from model_adapters import load_adapter

SAMPLES = Path(__file__).parents[4] / "sample_data"


def test_what_travels_comes_back_equal():
    part = Forwarded(
        case_ids=["a", "b"],
        scores=[np.array([[0.5, 1.0]]), np.array([[2.0, -3.0]])],
        maps=[np.ones((2, 2, 3, 3), dtype=np.float32)],
        skipped=[Skipped(case="c", reason="The file does not open.")],
    )
    back = unpacked(packed(part))
    assert back.case_ids == part.case_ids
    assert back.skipped == part.skipped
    np.testing.assert_array_equal(np.concatenate(back.scores), np.concatenate(part.scores))
    np.testing.assert_array_equal(back.maps[0], part.maps[0])


def test_a_shard_without_usable_case_travels_too():
    part = Forwarded(skipped=[Skipped(case="c", reason="No file.")])
    back = unpacked(packed(part))
    assert (back.case_ids, back.scores, back.maps) == ([], [], [])
    assert back.skipped == part.skipped


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(AuditError, match=r"auscult\[ray\]"):
        spreading._connected("local")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_ray_gives_the_scores_of_one_process(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is an extra of its own (auscult[ray])")
    study, model = SAMPLES / "icu_deterioration", SAMPLES / "icu_deterioration/models/mlp-1.0"
    alone = predict_cohort(open_study(study), load_adapter(model))
    try:
        spread = predict_spread(study, model, Spread(workers=1, shard=4000), cache=tmp_path)
    finally:
        ray.shutdown()
    assert spread.case_ids == alone.case_ids
    assert spread.sha256 == alone.sha256
    np.testing.assert_allclose(spread.scores, alone.scores, rtol=0, atol=1e-5)
    assert predict_cohort(open_study(study), load_adapter(model), cache=tmp_path).from_cache
