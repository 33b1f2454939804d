"""Traps that map libraries fall into, one test each: the map is right, or its fallback is named."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations.cams import cam_engine
from audits.explanations.cams.engine import cam_maps
from audits.explanations.pixels.gradients import (
    ROWS_PER_STEP,
    PixelGame,
    expected_gradients,
    integrated_gradients,
    smoothgrad,
)
from audits.explanations.pixels.occlusion import OcclusionEngine
from model_adapters.base import TargetLayer

from .conftest import InPlaceNet, image_adapter


@pytest.fixture
def net(seeded):
    """Return a network whose BatchNorm has statistics of its own."""
    made = InPlaceNet().train()
    with torch.no_grad():
        made(3 * torch.randn(32, 1, 32, 32) + 1)
    return made.eval()


@pytest.fixture
def images(seeded):
    return torch.randn(3, 1, 32, 32)


def _maps(net, images, **more):
    return cam_engine(image_adapter(net, 3, **more)).forward_with_maps({"image": images})[1]


def test_in_place_relu_behind_the_layer(net, images):
    """The map is that of the same network with ordinary ReLUs, and the model still trains."""

    class Ordinary(InPlaceNet):
        def forward(self, x):
            x = torch.relu(self.norm(self.first(x)))
            return self.head(self.pool(torch.relu(self.second(x))).flatten(1))

    other = Ordinary()
    other.load_state_dict(net.state_dict())
    assert np.array_equal(_maps(net, images), _maps(other.eval(), images))
    net(images).sum().backward()
    assert net.first.weight.grad is not None


def test_batchnorm_of_a_model_in_training_mode(net, images):
    """Neither statistics move nor do images of a batch colour each other's maps."""
    expected = _maps(net, images)
    before = copy.deepcopy(net.state_dict())
    net.train()
    assert np.array_equal(_maps(net, images), expected)
    alone = np.concatenate([_maps(net, images[[at]]) for at in range(3)])
    assert alone == pytest.approx(expected, abs=1e-6)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert net.training


def test_outputs_of_a_multi_label_head_do_not_mix(net, images):
    """What another finding's head says changes nothing in this one's map, as softmax would."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.head.weight[2] = 50.0
        other.head.bias[2] = 400.0
    assert np.array_equal(_maps(other, images)[:, :2], _maps(net, images)[:, :2])


def test_a_saturated_probability_keeps_its_map(net, images):
    """p (1 - p) is nothing where the model is sure; log-odds are explained, so the map is not."""
    sure = copy.deepcopy(net)
    with torch.no_grad():
        sure.head.bias += 12.0
    probabilities = torch.nn.Sequential(sure, torch.nn.Sigmoid())
    assert _maps(probabilities, images, space="probability") == pytest.approx(
        _maps(net, images), rel=2e-2, abs=1e-4
    )


def test_positive_means_support_in_every_family(seeded):
    """A bright square raises output 0 and lowers output 1, whatever computes the map."""

    class Opposite(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = torch.nn.AvgPool2d(4)

        def forward(self, x):
            bright = self.cells(x).mean(dim=(1, 2, 3))
            return torch.stack([bright, -bright], dim=1)

    image = torch.zeros(1, 1, 32, 32)
    image[..., 8:16, 8:16] = 4.0
    adapter = image_adapter(Opposite().eval(), 2)
    occluded = OcclusionEngine(adapter=adapter, field="image")
    game = PixelGame(adapter=adapter, case={"image": image}, field="image", outputs=(0, 1))
    found = {
        "gradcam": cam_engine(adapter).forward_with_maps({"image": image})[1][0],
        "occlusion": occluded.forward_with_maps({"image": image})[1][0],
        "integrated_gradients": integrated_gradients(game, torch.zeros(1, 32, 32)).sum(axis=1),
    }
    for name, (raises, lowers) in found.items():
        cell = np.array(raises.shape) * 12 // 32
        assert raises[tuple(cell)] > 0, name
        assert lowers[tuple(cell)] < 0, name


def _exported(net):
    rows = torch.export.Dim("rows", min=1, max=4096)
    example = (torch.zeros(2, 1, 32, 32),)
    return torch.export.export(net, example, dynamic_shapes=({0: rows},)).module()


def _scripted(net):
    return torch.jit.trace(net, torch.zeros(2, 1, 32, 32))


class _NoGraph(torch.nn.Module):
    """What a quantised network looks like to autograd: layers run, and nothing can be derived."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        with torch.no_grad():
            return self.net(x)


@pytest.mark.parametrize("make", [_exported, _scripted, _NoGraph], ids=lambda one: one.__name__)
def test_modules_whose_layers_cannot_be_read_get_a_labelled_fallback(net, images, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sealed = make(net)
    engine = cam_engine(image_adapter(sealed, 3))
    assert engine.method == "occlusion"
    assert "no layer that keeps the image's grid" in engine.fallback
    own = OcclusionEngine(adapter=image_adapter(net, 3), field="image")
    expected = own.forward_with_maps({"image": images[:1]})[1]
    found = engine.forward_with_maps({"image": images[:1]})[1]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_layer_that_exists_by_name_only_is_refused(net, images):
    """Hooks on an exported module never fire; a map of an earlier call must not be given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sealed = _exported(net)
    declared = TargetLayer(name="second", source="declared")
    with pytest.raises(ExplanationError, match=r"expected it to run once.*found 0"):
        _maps(sealed, images, declared=declared)


def test_a_compiled_module_has_the_maps_of_its_original(net, images):
    compiled = torch.compile(net, backend="eager")
    assert _maps(compiled, images) == pytest.approx(_maps(net, images), abs=1e-6)


def test_a_caller_under_autocast_gets_maps_of_full_precision(net, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _maps(net, images)
    assert found.dtype == np.float32
    assert found == pytest.approx(_maps(net, images), abs=1e-6)


def test_memory_of_path_methods_follows_the_chunk(net, images):
    """Libraries put all steps in one batch; here the model never sees more than a chunk."""
    seen = []

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            seen.append(len(x))
            return self.net(x)

    adapter = image_adapter(Counting().eval(), 3)
    game = PixelGame(adapter=adapter, case={"image": images[:1]}, field="image", outputs=(0,))
    integrated_gradients(game, torch.zeros(1, 32, 32))
    expected_gradients(game, images)
    smoothgrad(game)
    assert max(seen) == ROWS_PER_STEP


def test_nothing_of_any_family_stays_behind(net, images):
    adapter = image_adapter(net, 3)
    case = {"image": images[:1]}
    game = PixelGame(adapter=adapter, case=case, field="image", outputs=(0, 1))
    integrated_gradients(game, torch.zeros(1, 32, 32), steps=4)
    OcclusionEngine(adapter=adapter, field="image").forward_with_maps(case)
    cam_engine(adapter).forward_with_maps(case)
    assert not any(part._forward_hooks or part._backward_hooks for part in net.modules())
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


def test_a_map_of_nothing_is_not_stretched(images):
    """A head without weights gives zeros, not noise at full colour."""
    net = InPlaceNet().eval()
    with torch.no_grad():
        net.head.weight.zero_()
    assert not _maps(net, images).any()
    activations = torch.rand(1, 4, 3, 3, requires_grad=True)
    assert not cam_maps(activations, 0 * activations.sum(dim=(1, 2, 3))[:, None], "gradcam").any()
