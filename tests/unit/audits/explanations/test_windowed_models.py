"""Swin: relevance through shifted and merged windows, against removing patch after patch."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, methods_for
from audits.explanations.attention import attention_engine
from audits.explanations.cams import cam_engine
from model_adapters import load_adapter
from model_adapters.architectures.swin_classifier import SwinClassifier
from model_adapters.base import ImageValue, TargetLayer
from model_adapters.schema import TokenSection

from .conftest import FrameStudy, TorchAdapter, image_adapter
from .held_network import Replay
from .imaging_folders import model_folder

ARGS = {
    "in_channels": 1,
    "out_channels": 2,
    "embed_dim": 8,
    "window_size": [4, 4],
    "patch_size": [2, 2],
    "num_heads": [2, 2, 2, 2],
}
GRID = (16, 24)


@dataclass
class SwinAdapter(TorchAdapter):
    layer: str = "swin.patch_embed"
    grid: tuple = GRID
    window: tuple = (4, 4)

    def tokens(self):
        return SimpleNamespace(layer=self.layer, prefix=0, grid=self.grid, window=self.window)


def _adapter(net, **more):
    plain = image_adapter(net.eval(), 2, shape=(1, 32, 48))
    return SwinAdapter(net=net, inputs=plain.inputs, output=plain.output, **more)


@pytest.fixture(scope="module")
def swin():
    torch.manual_seed(3)
    net = SwinClassifier(**ARGS)
    for name, weight in net.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(weight, std=0.25)
    return net.eval()


def test_relevance_is_what_removing_each_patch_takes_away(swin):
    """Brute force over all patches of the net, with attention held as it was for the image."""
    import copy

    batch = {"image": torch.randn(1, 1, 32, 48, generator=torch.Generator().manual_seed(0))}
    scores, maps = attention_engine(_adapter(swin)).forward_with_maps(batch)
    assert maps.shape == (1, 2, *GRID)
    with torch.no_grad():
        assert scores == pytest.approx(swin(batch["image"]).numpy(), abs=1e-5)
        twin = copy.deepcopy(swin)
        replay = Replay(twin)
        own = twin(batch["image"])
        replay.frozen = True
        removed = []

        def remove(_, __, output):
            out = output.clone()
            out[(0, slice(None), *removed[-1])] = 0
            return out

        handle = twin.swin.patch_embed.register_forward_hook(remove)
        for place in [(0, 0), (3, 4), (4, 3), (7, 15), (8, 16), (15, 23), (1, 22), (10, 9)]:
            removed.append(place)
            lost = (own - twin(batch["image"]))[0].numpy()
            assert maps[(0, slice(None), *place)] == pytest.approx(lost, rel=2e-3, abs=2e-5)
        handle.remove()
    assert (maps > 0).any()
    assert (maps < 0).any()


def test_it_leads_where_windows_are_declared(swin, seeded):
    images = {
        f"c{index}": ImageValue(
            pixels=seeded.normal(100, 30, (64, 96)).astype(np.float32), low=0.0, high=200.0
        )
        for index in range(4)
    }
    study = FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)
    adapter = _adapter(swin)
    assert methods_for(adapter)[0] == "attention_relevance"
    why = explain_adapter_case(study, adapter, "c0", checks=False)
    assert (why.method, why.map.layer) == ("attention_relevance", "swin.patch_embed")
    assert why.native.shape == GRID
    assert why.patient.shape == (64, 96)
    assert "attention, normalisation and gates held" in why.estimand
    assert not any(part._forward_hooks for part in swin.modules())


def test_cams_need_a_declared_layer_else_occlusion_says_so(swin):
    batch = {"image": torch.randn(2, 1, 32, 48)}
    fallen = cam_engine(_adapter(swin))
    assert fallen.method == "occlusion"
    assert "declares none, so gradcam is impossible" in fallen.fallback
    undeclared = cam_engine(image_adapter(swin, 2, shape=(1, 32, 48)))
    assert undeclared.method == "occlusion"
    layer = TargetLayer(name="swin.layers2.0", source="declared", grid=(4, 6))
    engine = cam_engine(_adapter(swin, declared=layer))
    assert engine.forward_with_maps(batch)[1].shape == (2, 2, 4, 6)


def test_what_is_not_as_declared_is_one_sentence(swin):
    batch = {"image": torch.randn(1, 1, 32, 48)}
    with pytest.raises(ExplanationError, match="found attention between 16"):
        attention_engine(_adapter(swin, window=(2, 2)))
    with pytest.raises(ExplanationError, match="expected patches on a grid of 8x8"):
        attention_engine(_adapter(swin, grid=(8, 8))).forward_with_maps(batch)
    with pytest.raises(ValidationError, match="one number per axis"):
        TokenSection(layer="x", grid=(4, 4), window=(2,))
    with pytest.raises(ValidationError, match="prefix must be 0"):
        TokenSection(layer="x", grid=(4, 4), window=(2, 2), prefix=1)


def test_a_swin_comes_from_a_model_folder(swin, tmp_path):
    folder = model_folder(
        tmp_path / "m",
        tensors=swin.state_dict(),
        architecture={
            "name": "auscult.SwinClassifier",
            "args": ARGS,
            "tokens": {"layer": "swin.patch_embed", "grid": list(GRID), "window": [4, 4]},
        },
        inputs={"image": {"size": [32, 48]}},
        task="multilabel",
        outputs=["a", "b"],
    )
    adapter = load_adapter(folder)
    batch = {"image": torch.randn(1, 1, 32, 48)}
    scores, maps = attention_engine(adapter).forward_with_maps(batch)
    assert scores == pytest.approx(adapter.predict(batch), abs=1e-5)
    assert maps.shape == (1, 2, *GRID)
