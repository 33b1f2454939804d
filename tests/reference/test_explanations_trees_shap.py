"""Exact interventional effects of trees against shap, enumeration and the libraries themselves."""

from __future__ import annotations

import hashlib
import json
import warnings

import numpy as np
import pandas as pd
import pytest

from audits.explanations.shapley import cell_game, exact_shapley
from audits.explanations.shapley.tree_structure import read_trees
from audits.explanations.shapley.trees import TreeExplainer
from model_adapters import load_adapter

COLUMNS = 8


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, COLUMNS))
    y = (x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + x[:, 3] > 0).astype(int)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, y


def _xgboost(x, y, **more):
    xgboost = pytest.importorskip("xgboost")
    matrix = xgboost.DMatrix(x, y, **more)
    params = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    booster = xgboost.train(params, matrix, 40)

    def margin(rows):
        return booster.predict(xgboost.DMatrix(rows, **more), output_margin=True).reshape(-1, 1)

    return booster, margin, json.loads(bytes(booster.save_raw("json")))


def _lightgbm(x, y, **more):
    lightgbm = pytest.importorskip("lightgbm")
    params = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y, **more), 30)

    def margin(rows):
        return booster.predict(rows, raw_score=True).reshape(-1, 1)

    return booster, margin, booster.dump_model()


@pytest.mark.parametrize("build", [_xgboost, _lightgbm])
def test_equals_shap_where_shap_is_right(data, build):
    shap = pytest.importorskip("shap")
    x, y = data
    booster, margin, model = build(x, y)
    cases, background = x[:12], x[100:150]
    ours = TreeExplainer(read_trees(model), np.arange(COLUMNS), background, COLUMNS)
    constant = margin(x) - ours.sums(x)
    assert np.ptp(constant) < 2e-5
    explainer = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional")
    theirs = np.asarray(explainer.shap_values(cases))
    assert ours.effects(cases)[:, :, 0] == pytest.approx(theirs.reshape(12, COLUMNS), abs=2e-5)


@pytest.mark.parametrize("build", [_xgboost, _lightgbm])
def test_grouped_columns_equal_enumeration(data, build):
    x, y = data
    _, margin, model = build(x, y)
    owners = np.array([0, 0, 1, 1, 1, 2, 3, 2])
    cases, background = x[:5], x[100:130]
    game = cell_game(
        predict=lambda batch: margin(batch["x"]).astype(float),
        field="x",
        cases={"x": cases},
        background=background,
        player_of_cell=owners,
        players=4,
    )
    ours = TreeExplainer(read_trees(model), owners, background, 4)
    assert ours.effects(cases) == pytest.approx(exact_shapley(game).effects, abs=1e-5)


@pytest.mark.parametrize("build", [_xgboost, _lightgbm])
def test_native_categories_where_shap_fails(data, build):
    x, y = data
    rng = np.random.default_rng(1)
    x = x.copy()
    level = rng.integers(0, 9, len(x)).astype(float)
    x[:, 4] = np.where(rng.random(len(x)) < 0.1, np.nan, level)
    y = np.where(np.isin(level, [1, 4, 7]), 1 - y, y)
    if build is _xgboost:
        types = ["q"] * 4 + ["c"] + ["q"] * 3
        _, margin, model = build(x, y, feature_types=types, enable_categorical=True)
    else:
        _, margin, model = build(x, y, categorical_feature=[4])
    cases, background = x[:5], x[100:130]
    owners = np.array([0, 0, 1, 2, 3, 4, 4, 4])
    explainer = TreeExplainer(read_trees(model), owners, background, 5)
    assert np.ptp(margin(x) - explainer.sums(x)) < 2e-5
    game = cell_game(
        predict=lambda batch: margin(batch["x"]).astype(float),
        field="x",
        cases={"x": cases},
        background=background,
        player_of_cell=owners,
        players=5,
    )
    assert explainer.effects(cases) == pytest.approx(exact_shapley(game).effects, abs=1e-5)


def test_several_classes(data):
    xgboost = pytest.importorskip("xgboost")
    x, _ = data
    y = np.digitize(np.nan_to_num(x[:, 0] + x[:, 1]), [-0.7, 0.7])
    params = {"objective": "multi:softprob", "num_class": 3, "max_depth": 4, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(x, y), 10)
    cases, background = x[:4], x[100:130]
    model = json.loads(bytes(booster.save_raw("json")))
    explainer = TreeExplainer(read_trees(model), np.arange(COLUMNS), background, COLUMNS)

    def margin(rows):
        return booster.predict(xgboost.DMatrix(rows), output_margin=True).astype(float)

    expected = margin(cases) - margin(background).mean(axis=0)
    assert explainer.effects(cases).sum(axis=1) == pytest.approx(expected, abs=1e-5)


def test_long_paths_take_the_other_road(data):
    """Leaf-wise trees put more variables on a path than the table allows; both roads agree."""
    from audits.explanations.shapley import trees as module

    rng = np.random.default_rng(2)
    own, other = rng.integers(0, 32, (3, 50)), rng.integers(0, 32, (20, 50))
    table = module._by_table(own, other, 5)
    assert module._by_leaf(own, other, 5) == pytest.approx(table, abs=1e-12)


def test_missing_values_of_every_kind_are_read_as_lightgbm_reads_them(data):
    lightgbm = pytest.importorskip("lightgbm")
    x, y = data
    frame = np.nan_to_num(x)
    frame[::3, 2] = 0.0
    for option in ({"zero_as_missing": True}, {"use_missing": False}, {}):
        params = {"objective": "binary", "verbose": -1, "num_threads": 1, **option}
        booster = lightgbm.train(params, lightgbm.Dataset(frame, y, params=option), 5)
        explainer = TreeExplainer(
            read_trees(booster.dump_model()), np.arange(COLUMNS), x[:5], COLUMNS
        )
        margin = booster.predict(x, raw_score=True)
        assert np.ptp(margin - explainer.sums(x)[:, 0]) < 1e-9, option


FOLDER = """
[model]
id = "trees"
version = "1"
task = "binary"
outputs = ["y"]
space = "logit"
[weights]
format = "{kind}"
file = "{file}"
sha256 = "{sha}"
[inputs.ehr]
features = {features}
"""


@pytest.mark.parametrize("build", [_xgboost, _lightgbm])
def test_the_fast_view_is_the_librarys_own(data, build, tmp_path):
    """Contributions through a folder equal pred_contribs and shap's path-dependent values."""
    shap = pytest.importorskip("shap")
    x, y = data
    booster, _, _ = build(x, y)
    file = "w.ubj" if build is _xgboost else "w.txt"
    booster.save_model(tmp_path / file)
    kind = "xgboost" if build is _xgboost else "lightgbm"
    sha = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
    names = [f"x{i}" for i in range(COLUMNS)]
    text = FOLDER.format(kind=kind, file=file, sha=sha, features=json.dumps(names))
    (tmp_path / "model.toml").write_text(text)
    adapter = load_adapter(tmp_path)
    rows = pd.DataFrame(x[:20], columns=names)
    effects, base = adapter.native_contributions(adapter.prepare({"ehr": rows}))
    if build is _xgboost:
        xgboost = pytest.importorskip("xgboost")
        own = booster.predict(xgboost.DMatrix(x[:20]), pred_contribs=True)
    else:
        own = booster.predict(x[:20], pred_contrib=True)
    assert effects[:, 0] == pytest.approx(own[:, :-1], abs=1e-6)
    assert base[0] == pytest.approx(own[0, -1], abs=1e-6)
    with warnings.catch_warnings():  # shap announces a change of shape for LightGBM
        warnings.simplefilter("ignore")
        theirs = np.asarray(shap.TreeExplainer(booster).shap_values(x[:20]))
    theirs = theirs[-1] if theirs.ndim > 2 else theirs
    assert effects[:, 0] == pytest.approx(theirs.reshape(20, COLUMNS), abs=1e-5)
    scores = adapter.predict(adapter.prepare({"ehr": rows}))
    assert effects.sum(axis=2) + base == pytest.approx(scores, abs=1e-4)
