"""LightGBM folders: the booster's own numbers, whatever its sigmoid's steepness."""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd
import pytest

from model_adapters import AdapterError, load_adapter

RNG = np.random.default_rng(11)
TABLE = pd.DataFrame({"age": RNG.normal(60, 15, 300), "crp": RNG.gamma(2, 20, 300)})
TABLE.loc[::7, "crp"] = np.nan
Y = (TABLE["age"] + TABLE["crp"].fillna(60) > 100).astype(int)


def train(label, **params):
    return lightgbm.train(
        {"verbosity": -1, "num_threads": 1, "num_leaves": 7, **params},
        lightgbm.Dataset(TABLE, label),
        num_boost_round=8,
    )


def folder(write_model, booster, features=("age", "crp"), **model):
    return write_model(
        booster.model_to_string().encode(),
        weights={"format": "lightgbm", "file": "model.txt"},
        model=model,
        **{"inputs.ehr": {"features": list(features)}},
    )


@pytest.mark.parametrize("steepness", [1.0, 2.5])
def test_logits_probabilities_and_contributions(write_model, steepness):
    booster = train(Y, objective="binary", sigmoid=steepness)
    adapter = load_adapter(folder(write_model, booster), device="cpu")
    prepared = adapter.prepare({"ehr": TABLE})
    logits = adapter.predict(prepared)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[:, 0])), booster.predict(TABLE), atol=1e-12)
    contributions, base = adapter.native_contributions(prepared)
    assert contributions.shape == (300, 1, 2)
    np.testing.assert_allclose(contributions.sum(axis=2) + base, logits, atol=1e-9)
    adapter = load_adapter(folder(write_model, booster, space="probability"))
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], booster.predict(TABLE), atol=1e-12)


def test_multiclass_and_regression(write_model):
    booster = train(np.digitize(TABLE["age"], [50, 70]), objective="multiclass", num_class=3)
    names = ["a", "b", "c"]
    path = folder(write_model, booster, task="multiclass", outputs=names, space="probability")
    adapter = load_adapter(path)
    prepared = adapter.prepare({"ehr": TABLE})
    np.testing.assert_allclose(adapter.predict(prepared), booster.predict(TABLE), atol=1e-12)
    assert adapter.native_contributions(prepared)[0].shape == (300, 3, 2)
    booster = train(TABLE["crp"].fillna(0), objective="poisson")
    adapter = load_adapter(folder(write_model, booster, task="regression", space="value"))
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], booster.predict(TABLE), rtol=1e-12)


def test_what_does_not_fit_is_one_sentence(write_model):
    booster = train(Y, objective="binary")
    with pytest.raises(AdapterError, match="another order"):
        load_adapter(folder(write_model, booster, features=("crp", "age")))
    with pytest.raises(AdapterError, match="3 columns after encoding, but the model takes 2"):
        load_adapter(folder(write_model, booster, features=("age", "crp", "sex")))
    with pytest.raises(AdapterError, match=r"declare one of \['logit', 'probability'\]"):
        load_adapter(folder(write_model, booster, task="regression", space="value"))


def test_garbage_is_one_sentence(write_model):
    path = write_model(
        b"tree\nversion=v4\nnothing\n",
        weights={"format": "lightgbm", "file": "m.txt"},
        **{"inputs.ehr": {"features": ["age"]}},
    )
    with pytest.raises(AdapterError, match="LightGBM cannot read it"):
        load_adapter(path)
