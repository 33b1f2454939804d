"""One small model folder per format, for the promises every adapter makes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model_adapters import manifest_text

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(60, 15, 120),
        "crp": RNG.gamma(2, 20, 120),
        "sex": RNG.choice(["F", "M"], 120),
    }
)
Y = (TABLE["age"] + TABLE["crp"] + 10 * (TABLE["sex"] == "F") > 105).astype(int).to_numpy()
ENCODED = np.stack(
    [
        (TABLE["age"] - 60) / 15,
        TABLE["crp"],
        TABLE["sex"] == "F",
        TABLE["sex"] == "M",
    ],
    axis=1,
).astype(np.float64)
EHR = {
    "features": ["age", "crp", "sex"],
    "encoding": [
        {"feature": "age", "kind": "numeric", "mean": 60.0, "std": 15.0, "impute": 60.0},
        {"feature": "crp", "kind": "numeric", "impute": 30.0},
        {"feature": "sex", "kind": "category", "levels": ["F", "M"]},
    ],
}
Made = tuple[bytes, str, dict[str, Any]]


def cnn() -> Made:
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    layers = [
        {"type": "Conv2d", "key": "c",
         "args": {"in_channels": 1, "out_channels": 4, "kernel_size": 3}},
        {"type": "BatchNorm2d", "args": {"num_features": 4}, "key": "b"},
        {"type": "SiLU"},
        {"type": "AdaptiveAvgPool2d", "args": {"output_size": 1}},
        {"type": "Flatten"},
        {"type": "Dropout", "args": {"p": 0.5}},
        {"type": "LayerNorm", "args": {"normalized_shape": 4}, "key": "n"},
        {"type": "Linear", "args": {"in_features": 4, "out_features": 1}, "key": "l"},
    ]  # fmt: skip
    parts = {"c": torch.nn.Conv2d(1, 4, 3), "b": torch.nn.BatchNorm2d(4),
             "n": torch.nn.LayerNorm(4), "l": torch.nn.Linear(4, 1)}  # fmt: skip
    state = {f"{k}.{n}": t for k, part in parts.items() for n, t in part.state_dict().items()}
    return save(state), "safetensors", {
        "inputs": {"image": {"size": [16, 16]}},
        "architecture": {"name": "sequential", "layers": layers},
    }  # fmt: skip


def monai_volume() -> Made:
    from safetensors.torch import save

    from model_adapters.architectures import build_network
    from model_adapters.schema import ArchitectureSection

    args = {"spatial_dims": 3, "in_channels": 1, "out_channels": 1, "init_features": 8,
            "growth_rate": 4, "block_config": [2, 2]}  # fmt: skip
    section = ArchitectureSection(name="monai.DenseNet", args=args)
    return save(build_network(section, "here").module.state_dict()), "safetensors", {
        "inputs": {"ct": {"size": [12, 16, 16], "scale": "-1-1"}},
        "architecture": {"name": "monai.DenseNet", "args": args},
    }  # fmt: skip


def mlp() -> Made:
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 1))
    layers = [
        {"type": "Linear", "args": {"in_features": 4, "out_features": 8}, "key": "0"},
        {"type": "GELU"},
        {"type": "Linear", "args": {"in_features": 8, "out_features": 1}, "key": "2"},
    ]
    return save(net.state_dict()), "safetensors", {
        "inputs": {"ehr": EHR},
        "architecture": {"name": "sequential", "layers": layers},
    }  # fmt: skip


def xgboost() -> Made:
    import xgboost as library

    booster = library.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1},
        library.DMatrix(ENCODED, Y),
        num_boost_round=8,
    )
    return bytes(booster.save_raw(raw_format="ubj")), "xgboost", {"inputs": {"ehr": EHR}}


def lightgbm() -> Made:
    import lightgbm as library

    booster = library.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1},
        library.Dataset(ENCODED, Y),
        num_boost_round=8,
    )
    return booster.model_to_string().encode(), "lightgbm", {"inputs": {"ehr": EHR}}


def skops() -> Made:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from skops.io import dumps

    estimator = HistGradientBoostingClassifier(max_iter=8).fit(ENCODED, Y)
    return dumps(estimator), "skops", {"inputs": {"ehr": EHR}}


def onnx() -> Made:
    from onnx import TensorProto, helper, numpy_helper

    weight = np.array([[0.5], [-0.2], [1.0], [2.0]], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString(), "onnx", {"inputs": {"ehr": EHR}}


def predictions() -> Made:
    buffer = io.BytesIO()
    scores = RNG.normal(size=12)
    pd.DataFrame({"case_id": [f"c{i}" for i in range(12)], "y": scores}).to_parquet(buffer)
    return buffer.getvalue(), "predictions", {}


MAKERS: dict[str, Callable[[], Made]] = {
    maker.__name__: maker
    for maker in (cnn, monai_volume, mlp, xgboost, lightgbm, skops, onnx, predictions)
}


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the folder of a kind of model, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            data, declared, sections = MAKERS[kind]()
            path = tmp_path_factory.mktemp(kind)
            (path / "weights.data").write_bytes(data)
            document = {
                "model": {"id": kind.replace("_", "-"), "version": "1.0", "task": "binary",
                          "outputs": ["y"], "space": "logit"},
                "weights": {"format": declared, "file": "weights.data",
                            "sha256": hashlib.sha256(data).hexdigest()},
                **sections,
            }  # fmt: skip
            (path / "model.toml").write_text(manifest_text(document), encoding="utf-8")
            made[kind] = path
        return made[kind]

    return folder


@pytest.fixture(params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of model in turn."""
    return str(request.param)
