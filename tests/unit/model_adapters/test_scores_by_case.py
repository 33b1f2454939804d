"""Score tables: models nobody hands over, and cases whose inputs are not shipped."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pandas as pd
import pytest

from model_adapters import AdapterError, ModelAdapter, load_adapter

FRAME = pd.DataFrame({"case_id": ["a", "b", "007"], "y": [0.25, 0.5, 1.0]})


def parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def folder(write_model, data, file="scores.parquet", space="probability"):
    return write_model(
        data, weights={"format": "predictions", "file": file}, model={"space": space}
    )


@pytest.mark.parametrize(
    ("data", "file"),
    [(parquet(FRAME), "scores.parquet"), (FRAME.to_csv(index=False).encode(), "scores.csv")],
)
def test_scores_by_case(write_model, data, file):
    adapter = load_adapter(folder(write_model, data, file), device="auto")
    assert isinstance(adapter, ModelAdapter)
    assert [f.modality for f in adapter.inputs] == ["case_id"]
    assert adapter.case_ids == ("a", "b", "007")
    got = adapter.predict(adapter.prepare({"case_id": np.array(["007", "a"])}))
    np.testing.assert_array_equal(got, [[1.0], [0.25]])
    there, values = adapter.precomputed(["b", "zzz"])
    assert there.tolist() == [True, False]
    assert values[0, 0] == 0.5
    assert np.isnan(values[1, 0])


def test_a_case_without_score_is_named(write_model):
    adapter = load_adapter(folder(write_model, parquet(FRAME)))
    with pytest.raises(AdapterError, match=r"no score for 1 of 2 cases \(the first: 'zzz'\)"):
        adapter.predict(adapter.prepare({"case_id": ["a", "zzz"]}))


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (FRAME.rename(columns={"y": "x"}), "no column 'y'"),
        (FRAME.assign(case_id="a"), "names 2 cases twice"),
        (FRAME.assign(y=[0.1, 2.0, -1.0]), r"2 scores outside \[0, 1\]"),
        (FRAME.assign(y=["0.1", "high", "0.2"]), "1 scores that are not numbers"),
    ],
)
def test_bad_tables_are_one_sentence(write_model, frame, sentence):
    with pytest.raises(AdapterError, match=sentence) as error:
        load_adapter(folder(write_model, parquet(frame)))
    assert "\n" not in str(error.value)


def test_a_logit_may_be_any_number(write_model):
    data = parquet(FRAME.assign(y=[-3.0, 0.0, 8.0]))
    adapter = load_adapter(folder(write_model, data, space="logit"))
    assert adapter.predict({"case_id": np.array(["007"])})[0, 0] == 8.0


@pytest.mark.parametrize("data", [b"PAR1 broken", b"\xff\xfe\x00 not a table"])
def test_unreadable_tables(write_model, data):
    with pytest.raises(AdapterError, match=r"neither a Parquet nor a CSV table|has no column"):
        load_adapter(folder(write_model, data))


def test_precomputed_beside_a_network(pneumonia):
    frame = pd.DataFrame({"case_id": ["x1", "x2"], "pneumonia": [1.5, np.nan]})
    data = parquet(frame)
    (pneumonia / "scores.parquet").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    text = (pneumonia / "model.toml").read_text()
    extra = f'\n[precomputed]\nfile = "scores.parquet"\nsha256 = "{digest}"\n'
    (pneumonia / "model.toml").write_text(text + extra)
    adapter = load_adapter(pneumonia, device="cpu")
    there, values = adapter.precomputed(["x1", "x2", "x3"])
    assert there.tolist() == [True, False, False]
    assert values[0, 0] == 1.5
    (pneumonia / "scores.parquet").write_bytes(data + b" ")
    with pytest.raises(AdapterError, match=r"precomputed\.sha256: 'scores\.parquet' has another"):
        load_adapter(pneumonia, device="cpu")
