"""Small models and a small study behind the borders that explanations are built to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import torch

from audits.explanations.shapley import estimate, owen, permutation, walk_inside
from model_adapters.base import Feature, Field, ImageValue, ModelCard, OutputSpec, TargetLayer


@dataclass
class NativeGeometry:
    """Stretch preprocessing: the inverse is one bilinear resize."""

    def to_native(self, values, native_shape):
        tensor = torch.as_tensor(values, dtype=torch.float32)[None, None]
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[tensor.ndim - 2]
        native = torch.nn.functional.interpolate(
            tensor, size=tuple(native_shape), mode=mode, align_corners=False
        )
        return native[0, 0].numpy()


@dataclass
class TorchAdapter:
    """Any torch module as an image or table model."""

    net: torch.nn.Module
    inputs: tuple[Field, ...]
    output: OutputSpec
    caps: frozenset = frozenset({"grad", "layers"})
    device: str = "cpu"
    declared: TargetLayer | None = None
    card: ModelCard = field(
        default_factory=lambda: ModelCard(
            id="toy", version="1.0", weights_sha256="0" * 64, manifest_sha256="1" * 64, format="x"
        )
    )

    def module(self):
        return self.net

    def target_layer(self):
        return self.declared

    def with_module(self, module):
        return dataclasses.replace(self, net=module)

    def prepare(self, raw):
        out = {}
        for one in self.inputs:
            if one.modality == "table":
                names = [feature.name for feature in one.features]
                values = raw[one.name][names].to_numpy(dtype=np.float32, copy=True)
                out[one.name] = torch.as_tensor(values)
            else:
                out[one.name] = torch.stack([self._resized(v, one) for v in raw[one.name]])
        return out

    @staticmethod
    def _resized(value, one):
        pixels = (value.pixels - value.low) / (value.high - value.low)
        tensor = torch.as_tensor(pixels, dtype=torch.float32)[None, None]
        mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[tensor.ndim]
        size = tuple(one.shape[1:])
        return torch.nn.functional.interpolate(tensor, size=size, mode=mode)[0]

    def geometry(self, name, native_shape):
        return NativeGeometry()

    def forward(self, prepared):
        return self.net(*[prepared[one.name] for one in self.inputs])

    def predict(self, prepared):
        with torch.inference_mode():
            return self.forward(prepared).double().numpy()


def image_adapter(net, outputs, shape=(1, 32, 32), *, space="logit", task="multilabel", **more):
    names = tuple(f"finding_{index}" for index in range(outputs))
    return TorchAdapter(
        net=net,
        inputs=(Field(name="image", modality="image", shape=shape),),
        output=OutputSpec(task=task, names=names, space=space),
        **more,
    )


def table_adapter(net, players, *, outputs=1, columns=None, space="logit", **more):
    features = tuple(
        Feature(
            name=f"x{index}",
            label=f"Variable {index}",
            unit="mmol/L",
            columns=(index,) if columns is None else columns[index],
        )
        for index in range(players)
    )
    more.setdefault("caps", frozenset({"grad"}))
    return TorchAdapter(
        net=net,
        inputs=(Field(name="ehr", modality="table", shape=(players,), features=features),),
        output=OutputSpec(
            task="multilabel", names=tuple(f"o{i}" for i in range(outputs)), space=space
        ),
        **more,
    )


class InPlaceNet(torch.nn.Module):
    """Convolutions with in-place ReLUs, one of them right behind the tapped layer."""

    def __init__(self, outputs=3):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(6)
        self.second = torch.nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.act = torch.nn.ReLU(inplace=True)
        self.pool = torch.nn.AdaptiveAvgPool2d(1)
        self.head = torch.nn.Linear(8, outputs)

    def forward(self, x):
        x = self.act(self.norm(self.first(x)))
        x = self.second(x)
        x = torch.nn.functional.relu(x, inplace=True)
        return self.head(self.pool(x).flatten(1))


@dataclass
class FrameStudy:
    """A study of a table and, where there are images, of arrays in memory."""

    cases: pd.DataFrame
    images: dict = field(default_factory=dict)
    name: str = "toy_study"
    version: str = "1.0"
    sha256: str = "a" * 64
    variables: tuple = ()

    @property
    def case_ids(self):
        return tuple(self.cases.index)

    def raw_batch(self, fields, case_ids):
        ids = [case for case in case_ids if case in self.cases.index]
        raw = {}
        for one in fields:
            if one.modality == "table":
                raw[one.name] = self.cases.loc[ids, [feature.name for feature in one.features]]
            else:
                raw[one.name] = [self.images[case] for case in ids]
        return raw, ids, []


class Clock:
    """A clock that stands still until a test moves it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Let no budget of time run out: what is drawn must not depend on how fast the machine is."""
    standing = Clock()
    for module in (estimate, owen, permutation, walk_inside):
        monkeypatch.setattr(module, "time", standing)
    return standing


@pytest.fixture
def seeded():
    torch.manual_seed(7)
    return np.random.default_rng(7)


@pytest.fixture
def xray():
    """Return a non-square stored image."""
    rng = np.random.default_rng(3)
    pixels = rng.normal(100, 20, size=(48, 40)).astype(np.float32)
    return ImageValue(pixels=pixels, low=0.0, high=200.0)
