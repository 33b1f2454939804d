"""Attention relevance on a small MONAI ViT: the published rule, its grid, and one sentence."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations import explain_adapter_case, methods_for
from audits.explanations.attention import attention_engine, relevance
from model_adapters.base import ImageValue

from .conftest import FrameStudy, TorchAdapter, image_adapter

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

    def tokens(self):
        return SimpleNamespace(layer="vit.blocks.2.norm1", prefix=self.prefix, grid=self.grid)


def _adapter(net, **more):
    plain = image_adapter(net.eval(), 2, shape=(1, 32, 24))
    return TokenAdapter(net=net, inputs=plain.inputs, output=plain.output, **more)


@pytest.fixture
def vit(seeded):
    net = Logits()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return net


def test_the_published_rule_on_the_class_token(vit):
    """Recompute block by block from attention that is read off a plain pass with gradients."""
    adapter = _adapter(vit)
    batch = {"image": torch.randn(2, 1, 32, 24)}
    scores, maps = attention_engine(adapter).forward_with_maps(batch)
    assert maps.shape == (2, 2, *GRID)
    assert (maps >= 0).all()
    assert maps.any()
    assert scores == pytest.approx(adapter.predict(batch), abs=1e-5)

    kept = []

    def keep(_, args, output):
        output.retain_grad()
        kept.append(output)

    handles = [b.attn.drop_weights.register_forward_hook(keep) for b in vit.vit.blocks]
    for index in range(2):
        kept.clear()
        vit.zero_grad()
        vit(batch["image"])[:, index].sum().backward()
        read = torch.eye(13).repeat(2, 1, 1)
        for one in kept:
            read = read + (one.grad * one).clamp(min=0).mean(dim=1).detach() @ read
        expected = read[:, 0, 1:].reshape(2, *GRID).numpy()
        assert maps[:, index] == pytest.approx(expected, rel=1e-4, abs=1e-9)
    for handle in handles:
        handle.remove()


def test_nothing_is_left_behind(vit):
    adapter = _adapter(vit)
    before = [weight.requires_grad for weight in vit.parameters()]
    with torch.inference_mode():
        attention_engine(adapter).forward_with_maps({"image": torch.randn(1, 1, 32, 24)})
    assert [weight.requires_grad for weight in vit.parameters()] == before
    assert not any(part._forward_hooks for part in vit.modules())


def test_a_mean_pooled_model_reads_every_patch(seeded):
    net = MeanPooled()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    _, maps = attention_engine(_adapter(net)).forward_with_maps(
        {"image": torch.randn(1, 1, 32, 24)}
    )
    assert (maps > 0).all()


def test_only_tokens_that_were_attended_are_relevant():
    attention = torch.zeros(1, 1, 3, 3)
    attention[0, 0, 0, 2] = 0.8
    gradient = torch.zeros_like(attention)
    gradient[0, 0, 0] = torch.tensor([0.5, 0.5, 0.5])
    assert relevance([attention], [gradient]).tolist() == [[0.0, 0.0, pytest.approx(0.4)]]
    assert relevance([attention], [-gradient]).tolist() == [[0.0, 0.0, 0.0]]


def test_it_is_offered_and_checked_where_tokens_are_declared(vit, seeded):
    images = {
        f"c{index}": ImageValue(
            pixels=seeded.normal(100, 30, (48, 36)).astype(np.float32), low=0.0, high=200.0
        )
        for index in range(6)
    }
    study = FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)
    adapter = _adapter(vit)
    assert "attention_relevance" in methods_for(adapter)
    assert "attention_relevance" not in methods_for(image_adapter(vit.eval(), 2))
    why = explain_adapter_case(study, adapter, "c0", method="attention_relevance", checks=True)
    assert why.method == "attention_relevance"
    assert why.native.shape == GRID
    assert why.patient.shape == (48, 36)
    assert "never negative" in why.estimand
    assert "not_checked" not in {check.verdict for check in why.checks}


def test_fused_or_undeclared_attention_is_one_sentence(vit):
    batch = {"image": torch.randn(1, 1, 32, 24)}
    with pytest.raises(ExplanationError, match="shows no attention between its 17"):
        attention_engine(_adapter(vit, grid=(4, 4))).forward_with_maps(batch)
    with pytest.raises(ExplanationError, match="declares no tokens"):
        attention_engine(image_adapter(vit, 2))
