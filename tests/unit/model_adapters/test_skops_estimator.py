"""scikit-learn folders: own numbers, pipelines on DataFrames, and types that are not trusted."""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_adapters import AdapterError, UnsafeFormatError, load_adapter, probabilities
from model_adapters.formats.tree_safety import trees_are_sound

RNG = np.random.default_rng(5)
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(60, 15, 200),
        "crp": RNG.gamma(2, 20, 200),
        "sex": RNG.choice(["F", "M"], 200),
    }
)
NUMBERS = TABLE[["age", "crp"]].to_numpy()
Y = (TABLE["age"] + TABLE["crp"] + 10 * (TABLE["sex"] == "F") > 105).astype(int)


def folder(write_model, estimator, ehr=None, **model):
    return write_model(
        skops.io.dumps(estimator),
        weights={"format": "skops", "file": "model.skops"},
        model=model,
        **{"inputs.ehr": ehr or {"features": ["age", "crp"]}},
    )


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=5),
        RandomForestClassifier(20, random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_logits_and_probabilities(write_model, estimator):
    estimator.fit(NUMBERS, Y)
    want = estimator.predict_proba(NUMBERS)[:, 1]
    adapter = load_adapter(folder(write_model, estimator), device="cpu")
    prepared = adapter.prepare({"ehr": TABLE})
    logits = adapter.predict(prepared)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(probabilities(logits, adapter.output)[:, 0], want, atol=1e-12)
    adapter = load_adapter(folder(write_model, estimator, space="probability"))
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], want, atol=1e-12)
    assert adapter.caps == ({"linear"} if hasattr(estimator, "coef_") else frozenset())


def test_a_pipeline_gets_the_declared_variables_as_a_frame(write_model):
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "crp"]),
            ("c", OneHotEncoder(handle_unknown="ignore"), ["sex"]),
        ]
    )
    estimator = make_pipeline(columns, LogisticRegression()).fit(TABLE, Y)
    ehr = {
        "features": ["age", "sex", "crp"],
        "as_frame": True,
        "encoding": [
            {"feature": "age", "kind": "numeric"},
            {"feature": "sex", "kind": "category", "levels": ["F", "M"], "encode": "code"},
            {"feature": "crp", "kind": "numeric"},
        ],
    }
    adapter = load_adapter(folder(write_model, estimator, ehr))
    raw = TABLE.copy()
    raw.loc[3, "crp"] = np.nan
    raw.loc[4, "sex"] = None
    want = estimator.decision_function(raw)
    got = adapter.predict(adapter.prepare({"ehr": raw}))
    np.testing.assert_allclose(got[:, 0], want, atol=1e-12)
    ehr["encoding"][1]["encode"] = "onehot"
    with pytest.raises(AdapterError, match=r"encoding\[1\]: with as_frame the pipeline encodes"):
        load_adapter(folder(write_model, estimator, ehr))


def test_multiclass_multilabel_and_regression(write_model):
    three = np.digitize(TABLE["age"], [50, 70])
    names = ["a", "b", "c"]
    estimator = LogisticRegression().fit(NUMBERS, three)
    adapter = load_adapter(folder(write_model, estimator, task="multiclass", outputs=names))
    prepared = adapter.prepare({"ehr": TABLE})
    got = probabilities(adapter.predict(prepared), adapter.output)
    np.testing.assert_allclose(got, estimator.predict_proba(NUMBERS), atol=1e-12)
    both = np.stack([Y, TABLE["sex"] == "F"], axis=1).astype(int)
    forest = RandomForestClassifier(5, random_state=0).fit(NUMBERS, both)
    model = {"task": "multilabel", "outputs": ["y", "f"], "space": "probability"}
    adapter = load_adapter(folder(write_model, forest, **model))
    want = np.stack([p[:, 1] for p in forest.predict_proba(NUMBERS)], axis=1)
    np.testing.assert_array_equal(adapter.predict(prepared), want)
    ridge = Ridge().fit(NUMBERS, TABLE["crp"])
    adapter = load_adapter(folder(write_model, ridge, task="regression", space="value"))
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], ridge.predict(NUMBERS))
    with pytest.raises(AdapterError, match="Ridge has no predict_proba"):
        load_adapter(folder(write_model, ridge))


def test_untrusted_types_are_named_and_never_opened(write_model):
    estimator = make_pipeline(FunctionTransformer(shlex.split), LogisticRegression())
    with pytest.raises(UnsafeFormatError, match="does not trust") as error:
        load_adapter(folder(write_model, estimator))
    assert "shlex.split" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_forged_tree_is_refused(write_model):
    forest = RandomForestClassifier(2, random_state=0).fit(NUMBERS, Y)
    assert trees_are_sound(forest)
    forest.estimators_[0].tree_.children_left[0] = 10**6
    with pytest.raises(UnsafeFormatError, match="points outside of itself"):
        load_adapter(folder(write_model, forest))
    boosted = HistGradientBoostingClassifier(max_iter=2).fit(NUMBERS, Y)
    assert trees_are_sound(boosted)
    boosted._predictors[1][0].nodes["feature_idx"][0] = 2
    with pytest.raises(UnsafeFormatError, match="points outside of itself"):
        load_adapter(folder(write_model, boosted))


def test_categorical_splits_are_sound(write_model):
    table = TABLE.assign(sex=(TABLE["sex"] == "F").astype(float))
    boosted = HistGradientBoostingClassifier(max_iter=3, categorical_features=[2])
    boosted.fit(table.to_numpy(), table["sex"])
    assert trees_are_sound(boosted)
    tree = boosted._predictors[0][0]
    assert tree.nodes["is_categorical"].any()
    tree.nodes["bitset_idx"][tree.nodes["is_categorical"] == 1] = 99
    assert not trees_are_sound(boosted)


def test_garbage_is_one_sentence(write_model):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}")
    path = write_model(
        buffer.getvalue(),
        weights={"format": "skops", "file": "m.skops"},
        **{"inputs.ehr": {"features": ["age"]}},
    )
    with pytest.raises(AdapterError, match="skops cannot read it"):
        load_adapter(path)
