"""The CAM engine leaves a model as it found it, and says so where a map is impossible."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations.cams import cam_engine
from audits.explanations.cams.formulas import CAM_METHODS
from audits.explanations.cams.layers import find_target_layer
from model_adapters.base import TargetLayer

from .conftest import InPlaceNet, image_adapter


def _state_hash(net):
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def _hooks(net):
    return sum(len(part._forward_hooks) + len(part._backward_hooks) for part in net.modules())


@pytest.fixture
def net(seeded):
    return InPlaceNet().eval()


@pytest.fixture
def batch(seeded):
    return {"image": torch.randn(4, 1, 32, 32)}


@pytest.mark.parametrize("method", CAM_METHODS)
def test_scores_are_the_models_own(net, batch, method):
    adapter = image_adapter(net, 3)
    scores, maps = cam_engine(adapter, method).forward_with_maps(batch)
    assert np.array_equal(scores, adapter.predict(batch))
    assert maps.shape == (4, 3, 8, 8)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()


def test_hirescam_sums_to_the_logit_behind_a_linear_head(net, batch):
    adapter = image_adapter(net, 3, declared=TargetLayer(name="second", source="declared"))
    scores, maps = cam_engine(adapter, "hirescam").forward_with_maps(batch)
    bias = net.head.bias.detach().numpy()
    assert maps.sum(axis=(2, 3)) == pytest.approx(scores - bias, abs=1e-5)


def test_model_state_hooks_and_gradients_are_untouched(net, batch):
    net.train()
    net.first.weight.requires_grad_(False)
    before = _state_hash(net)
    cam_engine(image_adapter(net, 3)).forward_with_maps(batch)
    assert _state_hash(net) == before
    assert all(part.training for part in net.modules())
    assert not net.first.weight.requires_grad
    assert net.second.weight.requires_grad
    assert all(weight.grad is None for weight in net.parameters())
    assert _hooks(net) == 0


def test_hooks_go_when_the_model_fails(net):
    engine = cam_engine(image_adapter(net, 3))
    with pytest.raises(RuntimeError):
        engine.forward_with_maps({"image": torch.randn(1, 2, 32, 32)})
    assert _hooks(net) == 0
    assert net.second.weight.requires_grad


def test_a_caller_may_be_in_inference_mode(net):
    engine = cam_engine(image_adapter(net, 3))
    with torch.inference_mode():
        inside = torch.randn(2, 1, 32, 32)
        scores, maps = engine.forward_with_maps({"image": inside})
    outside_scores, outside = engine.forward_with_maps({"image": inside.clone()})
    assert np.array_equal(maps, outside)
    assert np.array_equal(scores, outside_scores)


def test_threads_share_one_model(net):
    engine = cam_engine(image_adapter(net, 3))
    inputs = [torch.randn(2, 1, 32, 32) for _ in range(6)]
    alone = [engine.forward_with_maps({"image": one})[1] for one in inputs]
    together: dict[int, np.ndarray] = {}

    def work(index):
        for _ in range(5):
            together[index] = engine.forward_with_maps({"image": inputs[index]})[1]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        assert np.array_equal(together[index], expected)
    assert _hooks(net) == 0
    assert all(weight.requires_grad for weight in net.parameters())


def test_a_hundred_calls_leave_memory_where_it_was(net, batch):
    engine = cam_engine(image_adapter(net, 3))
    for _ in range(20):
        engine.forward_with_maps(batch)
    before = _resident()
    for _ in range(100):
        engine.forward_with_maps(batch)
    assert _hooks(net) == 0
    assert _resident() - before < 8 * 2**20


def _resident():
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except OSError:
        pytest.skip("resident memory is read from /proc, which this system does not have")


def test_an_all_negative_map_stays_negative(seeded, batch):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, stride=4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    ).eval()
    with torch.no_grad():
        net[4].weight.copy_(-net[4].weight.abs())
    _, maps = cam_engine(image_adapter(net, 3)).forward_with_maps(batch)
    assert maps.max() <= 0
    assert maps.min() < 0


def test_probabilities_are_explained_as_log_odds(net, batch):
    logits = image_adapter(net, 3)
    probabilities = image_adapter(
        torch.nn.Sequential(net, torch.nn.Sigmoid()), 3, space="probability"
    )
    _, expected = cam_engine(logits).forward_with_maps(batch)
    scores, maps = cam_engine(probabilities).forward_with_maps(batch)
    assert np.array_equal(scores, probabilities.predict(batch))
    assert maps == pytest.approx(expected, abs=1e-5)


def test_the_layer_is_found_and_named(net):
    engine = cam_engine(image_adapter(net, 3))
    assert engine.layer == "second"
    assert engine.grid == (8, 8)


def test_a_reused_module_is_not_picked(seeded):
    class Reused(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3, stride=2)
            self.act = torch.nn.ReLU()
            self.more = torch.nn.Conv2d(4, 4, 3)

        def forward(self, x):
            return self.act(self.more(self.act(self.conv(x)))).mean(dim=(2, 3))

    net = Reused().eval()
    image = torch.randn(1, 1, 32, 32)
    found = find_target_layer(net, lambda: net(image), (32, 32))
    assert found is not None
    assert found.name == "more"


def test_a_layer_that_runs_twice_is_refused(seeded):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x)).mean(dim=(2, 3))

    declared = TargetLayer(name="conv", source="declared")
    engine = cam_engine(image_adapter(Twice().eval(), 1, declared=declared))
    with pytest.raises(ExplanationError, match="run once"):
        engine.forward_with_maps({"image": torch.randn(1, 1, 32, 32)})


def test_a_layer_that_does_not_exist_is_one_sentence(net):
    declared = TargetLayer(name="secnd", source="declared")
    with pytest.raises(ExplanationError, match="nearest are second") as caught:
        cam_engine(image_adapter(net, 3, declared=declared))
    assert "\n" not in str(caught.value)


def test_a_layer_without_cells_is_refused(net):
    declared = TargetLayer(name="head", source="declared")
    with pytest.raises(ExplanationError, match="no grid of cells"):
        cam_engine(image_adapter(net, 3, declared=declared)).forward_with_maps(
            {"image": torch.randn(1, 1, 32, 32)}
        )


def test_an_unknown_method_lists_the_known_ones(net):
    with pytest.raises(ExplanationError, match="gradcam"):
        cam_engine(image_adapter(net, 3), "magic")


def test_a_model_without_spatial_layers_falls_back_to_occlusion(seeded):
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 2)).eval()
    engine = cam_engine(image_adapter(flat, 2))
    assert engine.method == "occlusion"
    assert "no layer" in engine.fallback
    assert engine.layer is None


def test_a_black_box_falls_back_to_occlusion(net, batch):
    adapter = image_adapter(net, 3, caps=frozenset())
    engine = cam_engine(adapter)
    assert engine.method == "occlusion"
    scores, maps = engine.forward_with_maps({"image": batch["image"][:1]})
    assert np.array_equal(scores, adapter.predict({"image": batch["image"][:1]}))
    assert maps.shape == (1, 3, 14, 14)


class Tokens(torch.nn.Module):
    """A small vision transformer with a class token, 4 x 3 patches."""

    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Conv2d(1, 8, 8, stride=8)
        self.first = torch.nn.Parameter(torch.randn(1, 1, 8))
        self.block = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.norm = torch.nn.Identity()
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), 1, 8), tokens], dim=1)
        return self.head(self.block(self.norm(tokens)).mean(1))


def test_a_token_model_falls_back_to_occlusion(seeded):
    assert cam_engine(image_adapter(Tokens().eval(), 2)).method == "occlusion"


@pytest.mark.parametrize("method", CAM_METHODS)
def test_declared_tokens_become_a_grid(seeded, method):
    adapter = image_adapter(Tokens().eval(), 2, shape=(1, 32, 24))
    adapter.tokens = lambda: SimpleNamespace(layer="norm", prefix=1, grid=(4, 3))
    engine = cam_engine(adapter, method)
    batch = {"image": torch.randn(2, 1, 32, 24)}
    scores, maps = engine.forward_with_maps(batch)
    assert engine.grid == (4, 3)
    assert maps.shape == (2, 2, 4, 3)
    # torch's encoder takes another road where no gradient is asked for; it rounds differently
    assert scores == pytest.approx(adapter.predict(batch), abs=1e-6)


def test_tokens_that_do_not_fit_are_refused(seeded):
    adapter = image_adapter(Tokens().eval(), 2, shape=(1, 32, 24))
    adapter.tokens = lambda: SimpleNamespace(layer="norm", prefix=1, grid=(4, 4))
    with pytest.raises(ExplanationError, match="expected 17 tokens"):
        cam_engine(adapter).forward_with_maps({"image": torch.randn(1, 1, 32, 24)})


def test_volumes_and_signals_have_maps_too(seeded):
    volume = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    ).eval()
    adapter = image_adapter(volume, 2, shape=(1, 8, 12, 16))
    _, maps = cam_engine(adapter).forward_with_maps({"image": torch.randn(2, 1, 8, 12, 16)})
    assert maps.shape == (2, 2, 4, 6, 8)
    signal = torch.nn.Sequential(
        torch.nn.Conv1d(12, 4, 5, stride=2, padding=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 1),
    ).eval()
    adapter = image_adapter(signal, 1, shape=(12, 100))
    _, maps = cam_engine(adapter).forward_with_maps({"image": torch.randn(2, 12, 100)})
    assert maps.shape == (2, 1, 50)
