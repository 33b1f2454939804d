"""Attention relevance on small MONAI ViTs: what removing a patch takes away; one sentence."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, methods_for
from audits.explanations.attention import attention_engine
from audits.explanations.cams import cam_engine
from model_adapters.base import ImageValue

from .conftest import FrameStudy, TorchAdapter, image_adapter
from .held_network import Replay

GRID = (4, 3)


class Logits(torch.nn.Module):
    """MONAI's ViT returns its hidden states, too."""

    def __init__(self, **more):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from monai.networks.nets import ViT

            self.vit = ViT(
                in_channels=1,
                img_size=(32, 24),
                patch_size=(8, 8),
                hidden_size=16,
                mlp_dim=32,
                num_layers=3,
                num_heads=4,
                spatial_dims=2,
                classification=True,
                num_classes=2,
                post_activation=None,
                **more,
            )

    def forward(self, x):
        return self.vit(x)[0]


class MeanPooled(Logits):
    def forward(self, x):
        _, hidden = self.vit(x)
        return self.vit.classification_head(hidden[-1][:, 1:].mean(dim=1))


@dataclass
class TokenAdapter(TorchAdapter):
    prefix: int = 1
    grid: tuple = GRID
    layer: str = "vit.blocks.2.norm1"

    def tokens(self):
        return SimpleNamespace(layer=self.layer, prefix=self.prefix, grid=self.grid)


def _adapter(net, **more):
    plain = image_adapter(net.eval(), 2, shape=(1, 32, 24))
    return TokenAdapter(net=net, inputs=plain.inputs, output=plain.output, **more)


def _vit(kind=Logits, **more):
    net = kind(**more)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return net.eval()


@pytest.fixture
def vit(seeded):
    return _vit()


@pytest.mark.parametrize(
    ("kind", "more"), [(Logits, {}), (Logits, {"proj_type": "perceptron"}), (MeanPooled, {})]
)
def test_relevance_is_what_removing_each_patch_takes_away(seeded, kind, more):
    """Brute force over all patches of the net, with attention held as it was for the image."""
    net = _vit(kind, **more)
    image = torch.randn(1, 1, 32, 24)
    scores, maps = attention_engine(_adapter(net)).forward_with_maps({"image": image})
    assert maps.shape == (1, 2, *GRID)
    assert (maps > 0).any()
    assert (maps < 0).any()
    twin = copy.deepcopy(net)
    replay = Replay(twin, (*[block.attn.drop_weights for block in twin.vit.blocks],))
    embedding = twin.vit.patch_embedding.patch_embeddings
    removed = []

    def remove(_, __, output):
        out = output.clone()
        flat = out.flatten(2) if out.ndim == 4 else out.transpose(1, 2)
        flat[..., removed] = 0
        return out

    with torch.no_grad():
        own = twin(image)
        assert scores == pytest.approx(own.numpy(), abs=1e-5)
        replay.frozen = True
        part = embedding if more == {} else embedding[0]
        handle = part.register_forward_hook(remove)
        for place in range(12):
            removed[:] = [place]
            lost = (own - twin(image))[0].numpy()
            assert maps[0].reshape(2, 12)[:, place] == pytest.approx(lost, rel=2e-3, abs=2e-5)
        handle.remove()


def test_nothing_is_left_behind(vit):
    adapter = _adapter(vit)
    before = [weight.requires_grad for weight in vit.parameters()]
    with torch.inference_mode():
        attention_engine(adapter).forward_with_maps({"image": torch.randn(1, 1, 32, 24)})
    assert [weight.requires_grad for weight in vit.parameters()] == before
    assert not any(part._forward_hooks for part in vit.modules())


def test_it_leads_where_tokens_are_declared_and_is_checked(vit, seeded):
    images = {
        f"c{index}": ImageValue(
            pixels=seeded.normal(100, 30, (48, 36)).astype(np.float32), low=0.0, high=200.0
        )
        for index in range(6)
    }
    study = FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)
    adapter = _adapter(vit)
    assert methods_for(adapter)[0] == "attention_relevance"
    assert "attention_relevance" not in methods_for(image_adapter(vit, 2))
    why = explain_adapter_case(study, adapter, "c0", checks=True)
    assert (why.method, why.map.layer) == (
        "attention_relevance",
        "vit.patch_embedding.patch_embeddings",
    )
    assert why.native.shape == GRID
    assert why.patient.shape == (48, 36)
    assert "attention, normalisation and gates held" in why.estimand
    assert "not_checked" not in {check.verdict for check in why.checks}


def test_what_is_not_as_declared_is_one_sentence(vit):
    with pytest.raises(
        ExplanationError, match=r"no layer of toy@1\.0 gives patches on a grid of 4x4"
    ):
        attention_engine(_adapter(vit, grid=(4, 4)))
    with pytest.raises(ExplanationError, match=r"declares 16 tokens .*found attention between 13"):
        attention_engine(_adapter(vit, prefix=4))
    with pytest.raises(ExplanationError, match=r"no layer 'vit\.nowhere'"):
        attention_engine(_adapter(vit, layer="vit.nowhere"))
    with pytest.raises(ExplanationError, match="declares no tokens"):
        attention_engine(image_adapter(vit, 2))


def test_fused_attention_gets_occlusion_and_says_so(seeded):
    net = _vit()
    for block in net.vit.blocks:
        block.attn.use_flash_attention = True
    adapter = _adapter(net)
    engine = attention_engine(adapter)
    assert engine.method == "occlusion"
    assert "shows no attention (fused attention hides it)" in engine.fallback
    assert cam_engine(adapter).method == "gradcam"
