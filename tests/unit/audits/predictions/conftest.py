"""A small cohort of images and records, and a model simple enough to work out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audits.cohorts import open_study
from model_adapters.base import Field, ModelCard, OutputSpec
from model_adapters.errors import AdapterError

TOML = """
[study]
name = "tiny"
version = "1"
[cases]
table = "cases.csv"
[labels.bright]
column = "bright"
[labels.extra]
column = "bright"
[inputs.image]
column = "path"
kind = "png"
"""

GREYS = {"a": 0, "b": 51, "c": 102, "d": 255}


@pytest.fixture
def study_folder(tmp_path):
    """Four images that open, one broken, two cases without an image."""
    for name, grey in GREYS.items():
        pixels = np.full((4, 4), grey, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "e.png").write_bytes(b"broken")
    paths = ["a.png", "b.png", "c.png", "d.png", "e.png", "", ""]
    frame = pd.DataFrame({"case_id": list("abcdefg"), "bright": [0, 0, 1, 1, 1, 0, 1]})
    frame.assign(path=paths).to_csv(tmp_path / "cases.csv", index=False)
    (tmp_path / "study.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


@pytest.fixture
def study(study_folder):
    return open_study(study_folder)


@dataclass
class MeanModel:
    """Two logits: the mean grey of 0-1, and its negative; scores of the file for f and others."""

    outputs: tuple[str, ...] = ("bright", "dark")
    space: str = "logit"
    task: str = "multilabel"
    given: dict[str, float] = field(default_factory=dict)
    refuses: float | None = None
    offset: float = 0.0
    version: str = "1.0"
    device: str = "cpu"
    caps: frozenset = frozenset()
    inputs: tuple[Field, ...] = (Field(name="image", modality="image", shape=(1, 4, 4)),)
    sizes: list[int] = field(default_factory=list)

    @property
    def card(self):
        return ModelCard(
            id="mean",
            version=self.version,
            weights_sha256=f"{self.offset}",
            manifest_sha256="m",
            format="toy",
        )

    @property
    def output(self):
        return OutputSpec(task=self.task, names=self.outputs, space=self.space)

    def prepare(self, raw):
        means = [float(one.pixels.mean()) / 255 for one in raw["image"]]
        if self.refuses is not None and self.refuses in [round(mean, 1) for mean in means]:
            raise AdapterError("inputs.image: this picture does not fit.")
        return {"image": np.array(means)}

    def predict(self, prepared):
        means = prepared["image"]
        self.sizes.append(len(means))
        return np.stack([means + self.offset, -means], axis=1)[:, : len(self.outputs)]

    def precomputed(self, case_ids: Sequence[str]):
        there = np.array([case in self.given for case in case_ids])
        values = np.array([[self.given.get(c, np.nan)] * len(self.outputs) for c in case_ids])
        return there, values


@dataclass
class ScoresOnly(MeanModel):
    """A model that is nothing but its file of scores."""

    inputs: tuple[Field, ...] = (Field(name="case_id", modality="case_id"),)

    def prepare(self, raw):
        return {"case_id": raw["case_id"]}

    def predict(self, prepared):
        return np.array([[self.given[c]] * len(self.outputs) for c in prepared["case_id"]])


@dataclass
class CountingEngine:
    """Maps worked out by hand, counting how often the model was run for them."""

    adapter: MeanModel
    calls: int = 0
    method: str = "gradcam"
    layer: str | None = "last"
    field: str = "image"
    grid: tuple[int, ...] = (2, 2)

    def forward_with_maps(self, prepared):
        self.calls += 1
        scores = self.adapter.predict(prepared)
        return scores, np.repeat(scores[:, :, None, None], 4, axis=2).reshape(
            len(scores), -1, 2, 2
        ).astype(np.float32)


@pytest.fixture
def mean_model():
    return MeanModel


@pytest.fixture
def scores_only():
    return ScoresOnly


@pytest.fixture
def counting_engine():
    return CountingEngine


@pytest.fixture
def shared_data() -> Path:
    """Return the real data beside the repository, or skip."""
    folder = Path(__file__).parents[5] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data is not beside the repository (../shared/data)")
    return folder
