"""Pixel methods against captum, and against a model whose lesion is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audits.explanations.cams.engine import spatial_field
from audits.explanations.pixels.boxes import tiles, windows
from audits.explanations.pixels.gradients import (
    PixelGame,
    expected_gradients,
    integrated_gradients,
    smoothgrad,
)
from audits.explanations.pixels.occlusion import occlusion_maps
from audits.explanations.pixels.regions import region_game, region_owners
from audits.explanations.pixels.rise import rise_maps, smooth_masks
from audits.explanations.shapley import permutation_shapley
from model_adapters.base import Field, ModelCard, OutputSpec

captum_attr = pytest.importorskip("captum.attr")


class Adapter:
    """The least an adapter must be."""

    def __init__(self, net, outputs, shape):
        self.net = net
        self.inputs = (Field(name="image", modality="image", shape=shape),)
        names = tuple(f"o{i}" for i in range(outputs))
        self.output = OutputSpec(task="multilabel", names=names, space="logit")
        self.caps = frozenset({"grad", "layers"})
        self.device = "cpu"
        self.card = ModelCard(
            id="m", version="1", weights_sha256="", manifest_sha256="", format="safetensors"
        )

    def module(self):
        return self.net

    def target_layer(self):
        return None

    def forward(self, prepared):
        return self.net(prepared["image"])

    def predict(self, prepared):
        with torch.inference_mode():
            return self.net(torch.as_tensor(prepared["image"])).double().numpy()


class Lesion(torch.nn.Module):
    """Two outputs that each read one known square of the image."""

    def forward(self, x):
        first = x[:, :, 4:10, 18:24].mean(dim=(1, 2, 3))
        second = x[:, :, 20:26, 4:10].mean(dim=(1, 2, 3))
        return torch.stack([8 * first, -8 * second], dim=1)


@pytest.fixture
def smooth():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, padding=1),
        torch.nn.Softplus(),
        torch.nn.AvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 6 * 5, 3),
    ).eval()
    return Adapter(net, 3, (2, 24, 20)), torch.randn(1, 2, 24, 20)


@pytest.fixture
def lesion():
    torch.manual_seed(0)
    return Adapter(Lesion().eval(), 2, (1, 32, 32)), torch.rand(1, 1, 32, 32) + 0.5


def _game(adapter, image, outputs=(0, 1, 2)):
    return PixelGame(adapter=adapter, case={"image": image}, field="image", outputs=outputs)


def test_integrated_gradients_equal_captum(smooth):
    adapter, image = smooth
    baseline = torch.full_like(image, 0.1)
    ours = integrated_gradients(_game(adapter, image), baseline[0], steps=30)
    theirs = captum_attr.IntegratedGradients(adapter.net)
    for output in range(3):
        expected = theirs.attribute(
            image, baseline, target=output, n_steps=30, method="riemann_middle"
        )
        assert ours[output] == pytest.approx(expected[0].numpy(), abs=1e-6)
    shift = (adapter.predict({"image": image}) - adapter.predict({"image": baseline}))[0]
    assert ours.sum(axis=(1, 2, 3)) == pytest.approx(shift, abs=1e-3)


def test_expected_gradients_approach_the_average_of_integrated_ones(smooth):
    adapter, image = smooth
    background = torch.randn(4, 2, 24, 20)
    game = _game(adapter, image, (1,))
    ours = expected_gradients(game, background, samples=400, seed=1)
    exact = np.mean([integrated_gradients(game, one, steps=40) for one in background], axis=0)
    assert np.corrcoef(ours.ravel(), exact.ravel())[0, 1] > 0.99
    at = [adapter.predict({"image": one[None]})[0, 1] for one in background]
    shift = adapter.predict({"image": image})[0, 1] - np.mean(at)
    assert ours.sum() == pytest.approx(shift, rel=0.05, abs=0.02)
    assert np.array_equal(ours, expected_gradients(game, background, samples=400, seed=1))


def test_smoothgrad_without_noise_is_the_gradient(smooth):
    adapter, image = smooth
    ours = smoothgrad(_game(adapter, image), samples=2, noise=0.0)
    for output in range(3):
        expected = captum_attr.Saliency(adapter.net).attribute(
            image.clone().requires_grad_(), target=output, abs=False
        )
        assert ours[output] == pytest.approx(expected[0].detach().numpy(), abs=1e-6)


def test_occlusion_equals_captum_on_windows_that_do_not_overlap(smooth):
    adapter, image = smooth
    boxes = windows([24, 20], 4, 4)
    ours = occlusion_maps(adapter, {"image": image}, "image", boxes, baseline=0.0)
    assert ours.shape == (1, 3, 6, 5)
    with torch.no_grad():
        for output in range(3):
            theirs = captum_attr.Occlusion(adapter.net).attribute(
                image, (2, 4, 4), strides=(2, 4, 4), target=output, baselines=0.0
            )
            assert ours[0, output] == pytest.approx(theirs[0, 0, ::4, ::4].numpy(), abs=1e-5)


def test_windows_reach_the_border():
    assert windows([224, 224], 15, 8).grid == (28, 28)
    last = windows([30], 7, 5).boxes[-1][0]
    assert last.stop == 30
    assert tiles([5, 200]).grid == (5, 14)
    cells = tiles([10], [4], overlap=0.0).boxes
    assert [(box[0].start, box[0].stop) for box in cells] == [(0, 2), (2, 5), (5, 8), (8, 10)]


def _mass_inside(values, rows, columns):
    positive = np.maximum(values, 0)
    return positive[rows, columns].sum() / positive.sum()


def test_occlusion_finds_the_lesion(lesion):
    adapter, image = lesion
    boxes = tiles([32, 32], [16, 16], overlap=0.0)
    maps = occlusion_maps(adapter, {"image": image}, "image", boxes, baseline=0.0)[0]
    assert _mass_inside(maps[0], slice(2, 5), slice(9, 12)) == pytest.approx(1.0)
    assert maps[1].max() <= 1e-5
    assert maps[1].min() < -0.1


def test_rise_finds_the_lesion_and_its_sign(lesion):
    adapter, image = lesion
    image[:, :, 4:10, 18:24] += 1.0
    image[:, :, 20:26, 4:10] += 1.0
    maps = rise_maps(adapter, {"image": image}, "image", masks=600, seed=2)
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert 3 <= row <= 10
    assert 17 <= column <= 24
    row, column = np.unravel_index(maps[1].argmin(), maps[1].shape)
    assert 19 <= row <= 26
    assert 3 <= column <= 10
    masks = smooth_masks((9, 12, 10), 50, seed=0)
    assert masks.shape == (50, 9, 12, 10)
    assert abs(masks.mean() - 0.5) < 0.05


def test_regions_are_exact_for_an_additive_image_model(lesion):
    adapter, image = lesion
    game = region_game(adapter, {"image": image}, "image", region_owners((32, 32), (4, 4))[0])
    estimate = permutation_shapley(game)
    owners = region_owners((32, 32), (4, 4))[0]
    mean = float(image.mean())
    weights = np.zeros((32, 32))
    weights[4:10, 18:24] = 8 / 36
    cells = weights * (image[0, 0].numpy() - mean)
    expected = np.bincount(owners.ravel(), cells.ravel())
    assert estimate.effects[0, :, 0] == pytest.approx(expected, abs=1e-4)
    assert estimate.se.max() < 1e-4


def test_the_field_is_found(lesion):
    assert spatial_field(lesion[0]) == "image"
