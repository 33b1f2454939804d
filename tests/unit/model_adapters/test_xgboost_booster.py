"""XGBoost folders: the booster's own numbers, contributions that add up, columns in order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost

from model_adapters import AdapterError, load_adapter

RNG = np.random.default_rng(7)
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(60, 15, 400),
        "lactate": np.where(RNG.random(400) < 0.3, np.nan, RNG.normal(2, 1, 400)),
        "sex": RNG.choice(["F", "M"], 400),
    }
)
Y = (TABLE["lactate"].fillna(3) + (TABLE["sex"] == "F") + RNG.normal(0, 1, 400) > 3).astype(int)
ENCODING = [
    {"feature": "age", "kind": "numeric"},
    {"feature": "lactate", "kind": "numeric", "indicator": True},
    {"feature": "sex", "kind": "category", "levels": ["F", "M"]},
]
COLUMNS = ["age", "lactate", "lactate missing", "sex=F", "sex=M"]


def encoded():
    return pd.DataFrame(
        {
            "age": TABLE["age"],
            "lactate": TABLE["lactate"],
            "lactate missing": TABLE["lactate"].isna().astype(float),
            "sex=F": (TABLE["sex"] == "F").astype(float),
            "sex=M": (TABLE["sex"] == "M").astype(float),
        }
    )


def train(data, label, **params):
    return xgboost.train(
        {"max_depth": 3, "nthread": 1, "seed": 1, **params},
        xgboost.DMatrix(data, label, enable_categorical=True),
        num_boost_round=12,
    )


def folder(write_model, booster, extension="json", *, encoding=None, **model):
    encoding = encoding or ENCODING
    return write_model(
        bytes(booster.save_raw(raw_format=extension)),
        weights={"format": "xgboost", "file": f"model.{extension}"},
        model=model,
        **{"inputs.ehr": {"features": [e["feature"] for e in encoding], "encoding": encoding}},
    )


@pytest.mark.parametrize("extension", ["json", "ubj"])
def test_margin_and_contributions(write_model, extension):
    booster = train(encoded(), Y, objective="binary:logistic")
    adapter = load_adapter(folder(write_model, booster, extension), device="cpu")
    prepared = adapter.prepare({"ehr": TABLE})
    assert adapter.preprocessing.columns("ehr") == tuple(COLUMNS)
    assert [f.columns for f in adapter.inputs[0].features] == [(0,), (1, 2), (3, 4)]
    want = booster.predict(xgboost.DMatrix(encoded()), output_margin=True)
    margin = adapter.predict(prepared)
    np.testing.assert_array_equal(margin[:, 0], want.astype(float))
    contributions, base = adapter.native_contributions(prepared)
    assert contributions.shape == (400, 1, 5)
    np.testing.assert_allclose(contributions.sum(axis=2) + base, margin, atol=1e-5)


def test_probability_is_the_boosters_own(write_model):
    booster = train(encoded(), Y, objective="binary:logistic")
    adapter = load_adapter(folder(write_model, booster, space="probability"), device="cpu")
    want = booster.predict(xgboost.DMatrix(encoded()))
    got = adapter.predict(adapter.prepare({"ehr": TABLE}))
    np.testing.assert_allclose(got[:, 0], want, atol=1e-6)


def test_multiclass_and_regression(write_model):
    three = np.digitize(TABLE["age"], [50, 70])
    booster = train(encoded(), three, objective="multi:softprob", num_class=3)
    names = ["young", "middle", "old"]
    path = folder(write_model, booster, task="multiclass", outputs=names, space="probability")
    adapter = load_adapter(path)
    prepared = adapter.prepare({"ehr": TABLE})
    want = booster.predict(xgboost.DMatrix(encoded()))
    np.testing.assert_allclose(adapter.predict(prepared), want, atol=1e-6)
    assert adapter.native_contributions(prepared)[0].shape == (400, 3, 5)
    booster = train(encoded(), TABLE["age"], objective="reg:squarederror")
    adapter = load_adapter(folder(write_model, booster, task="regression", space="value"))
    want = booster.predict(xgboost.DMatrix(encoded()))
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], want, rtol=1e-6)


def test_native_categories_by_code(write_model):
    data = TABLE.assign(sex=pd.Categorical(TABLE["sex"], categories=["F", "M"]))
    booster = train(data, Y, objective="binary:logistic")
    encoding = [
        {"feature": "age", "kind": "numeric"},
        {"feature": "lactate", "kind": "numeric"},
        {"feature": "sex", "kind": "category", "levels": ["F", "M"], "encode": "code"},
    ]
    adapter = load_adapter(folder(write_model, booster, "ubj", encoding=encoding))
    want = booster.predict(xgboost.DMatrix(data, enable_categorical=True), output_margin=True)
    got = adapter.predict(adapter.prepare({"ehr": TABLE}))
    np.testing.assert_allclose(got[:, 0], want, atol=1e-6)


def test_another_order_of_columns_is_refused(write_model):
    booster = train(encoded()[COLUMNS[::-1]], Y, objective="binary:logistic")
    with pytest.raises(AdapterError, match="another order"):
        load_adapter(folder(write_model, booster))


def test_number_of_columns_is_compared(write_model):
    booster = train(encoded()[["age"]], Y, objective="binary:logistic")
    with pytest.raises(AdapterError, match="gives 5 columns after encoding, but the model takes 1"):
        load_adapter(folder(write_model, booster))


def test_space_must_be_what_the_objective_gives(write_model):
    booster = train(encoded(), TABLE["age"], objective="reg:squarederror")
    with pytest.raises(AdapterError, match=r"declare one of \['value'\]"):
        load_adapter(folder(write_model, booster))


def test_garbage_is_one_sentence(write_model):
    path = write_model(
        b'{"learner": 3}',
        weights={"format": "xgboost", "file": "m.json"},
        **{"inputs.ehr": {"features": ["age"]}},
    )
    with pytest.raises(AdapterError, match="XGBoost cannot read it"):
        load_adapter(path)
