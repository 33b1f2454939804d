"""A real network through the whole adapter: published confusion counts and AUC."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model_adapters import ImageValue, load_adapter, probabilities

from .conftest import PNEUMONIA


@pytest.fixture
def images_and_labels():
    with np.load(PNEUMONIA / "pneumoniamnist.npz", allow_pickle=False) as stored:
        pixels, labels = stored["test_images"], stored["test_labels"].ravel()
    values = [ImageValue(pixels=p.astype(np.float32), low=0.0, high=255.0) for p in pixels]
    return values, labels


def test_published_numbers(pneumonia, images_and_labels):
    images, labels = images_and_labels
    adapter = load_adapter(pneumonia, device="cpu")
    logits = adapter.predict(adapter.prepare({"image": images}))
    scores = probabilities(logits, adapter.output)
    assert logits.shape == (468, 1)
    called = scores[:, 0] >= 0.5
    assert int((~called & (labels == 0)).sum()) == 132
    assert int((labels == 0).sum()) == 234
    assert round(100 * float(called[labels == 1].mean()), 2) == 99.57
    assert round(roc_auc_score(labels, logits[:, 0]), 4) == 0.9389


def test_forward_equals_predict_and_reaches_the_pixels(pneumonia, images_and_labels):
    import torch

    adapter = load_adapter(pneumonia, device="cpu")
    prepared = adapter.prepare({"image": images_and_labels[0][:4]})
    pixels = prepared["image"].requires_grad_()
    with torch.no_grad():  # a caller's context must not switch gradients off
        logits = adapter.forward({"image": pixels})
    (gradient,) = torch.autograd.grad(logits.sum(), pixels)
    assert float(gradient.abs().max()) > 0
    with torch.inference_mode():
        again = adapter.predict({"image": pixels.detach()})
    np.testing.assert_allclose(again, logits.detach().numpy(), atol=1e-6)
    assert not any(p.requires_grad for p in adapter.module().parameters())


def test_layers_answer_to_their_key_and_position(pneumonia):
    manifest = (pneumonia / "model.toml").read_text()
    for declared, name in (("features.3", "features_3"), ("4", "4_ReLU"), ("4_ReLU", "4_ReLU")):
        text = manifest.replace(
            'name = "sequential"', f'name = "sequential"\ntarget_layer = "{declared}"'
        )
        assert text != manifest
        (pneumonia / "model.toml").write_text(text)
        layer = load_adapter(pneumonia, device="cpu").target_layer()
        assert layer.name == name
        assert layer.source == "declared"
