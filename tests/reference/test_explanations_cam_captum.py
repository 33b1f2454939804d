"""Grad-CAM maps equal captum's wherever captum is right."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from audits.explanations.cams import cam_engine
from audits.explanations.cams.engine import cam_maps
from audits.explanations.cams.formulas import eigencam
from audits.explanations.cams.layers import find_target_layer
from audits.explanations.cams.tap import layer_named, tapped
from audits.explanations.segmentation import RegionScores
from model_adapters.base import Field, OutputSpec

captum_attr = pytest.importorskip("captum.attr")


def _densenet(dimensions):
    from monai.networks.nets import DenseNet121

    return DenseNet121(spatial_dims=dimensions, in_channels=1, out_channels=4)


def _small_densenet(dimensions):
    from monai.networks.nets import DenseNet

    return DenseNet(
        spatial_dims=dimensions,
        in_channels=1,
        out_channels=3,
        init_features=8,
        growth_rate=4,
        block_config=(2, 2, 2),
    )


def _resnet():
    from monai.networks.nets import ResNet

    return ResNet("basic", [1, 1, 1, 1], [4, 8, 8, 16], 2, n_input_channels=1, num_classes=3)


def _squeeze_excite():
    from monai.networks.nets import SENet

    return SENet(
        spatial_dims=2,
        in_channels=3,
        block="se_resnet_bottleneck",
        layers=(1, 1, 1, 1),
        groups=1,
        reduction=16,
        inplanes=64,
        downsample_kernel_size=1,
        input_3x3=False,
        num_classes=3,
    )


def _tiny():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 5, 3, padding=1),
        torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(5, 7, 3, padding=1),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(7, 6),
    )


def _signal():
    return torch.nn.Sequential(
        torch.nn.Conv1d(12, 6, 7, padding=3),
        torch.nn.ReLU(inplace=True),
        torch.nn.Conv1d(6, 8, 5, stride=2, padding=2),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    )


def _efficient():
    from monai.networks.nets import EfficientNetBN

    return EfficientNetBN(
        "efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=1, num_classes=3
    )


NETS = {
    "densenet121": (lambda: _densenet(2), (1, 64, 64), "class_layers.relu"),
    "densenet-3d": (lambda: _small_densenet(3), (1, 24, 32, 40), "class_layers.relu"),
    "resnet": (_resnet, (1, 64, 48), "layer4"),
    "se-resnet": (_squeeze_excite, (3, 64, 64), "layer4"),
    "tiny": (_tiny, (1, 20, 28), "4"),
    "signal": (_signal, (12, 80), "3"),
    "efficientnet": (_efficient, (1, 64, 64), "_bn1"),
}


@pytest.mark.parametrize("name", NETS)
def test_gradcam_equals_captum(name):
    build, shape, expected_layer = NETS[name]
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = build().eval()
    images = torch.randn(2, *shape)
    target = find_target_layer(net, lambda: net(images[:1]), shape[1:])
    assert target is not None
    assert target.name == expected_layer
    layer = layer_named(net, target.name)
    with tapped(net, layer, lambda: net(images)) as (activations, outputs):
        ours = cam_maps(activations, outputs, "gradcam").numpy()
        classes = outputs.shape[1]
    gradcam = captum_attr.LayerGradCam(net, layer)
    for output in range(classes):
        theirs = gradcam.attribute(images, target=output).detach().numpy()[:, 0]
        assert np.abs(ours[:, output] - theirs).max() <= 1e-6 * max(1.0, np.abs(theirs).max())


class Region(torch.nn.Module):
    """A segmentation as one number per output: what captum needs to be asked."""

    def __init__(self, net, masks):
        super().__init__()
        self.net, self.masks = net, masks

    def forward(self, x):
        return (self.net(x) * self.masks).sum(dim=(2, 3)) / self.masks.sum(dim=(2, 3))


def test_gradcam_of_a_segmented_region_equals_captum():
    """Seg-Grad-CAM through the engine, read at the deepest grid of a U-Net."""
    from monai.networks.nets import UNet

    torch.manual_seed(2)
    args = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16]}
    net = UNet(**args, strides=[2, 2]).eval()
    field = Field(name="image", modality="image", shape=(1, 32, 40))
    output = OutputSpec(task="segmentation", names=("a", "b"), space="logit")
    masks = np.zeros((1, 2, 32, 40), dtype=bool)
    masks[0, 0, 4:12, 6:20] = masks[0, 1, 20:30, 8:30] = True
    model = Segmenter(net=net, inputs=(field,), output=output)
    engine = cam_engine(RegionScores(model=model, masks=masks))
    assert engine.grid == (8, 10)
    images = torch.randn(2, 1, 32, 40)
    _, ours = engine.forward_with_maps({"image": images})
    asked = Region(net, torch.as_tensor(masks, dtype=torch.float32))
    gradcam = captum_attr.LayerGradCam(asked, layer_named(net, engine.layer))
    for output_at in range(2):
        theirs = gradcam.attribute(images, target=output_at).detach().numpy()[:, 0]
        assert np.abs(ours[:, output_at] - theirs).max() <= 1e-6 * max(1.0, np.abs(theirs).max())


@dataclass
class Segmenter:
    net: torch.nn.Module
    inputs: tuple
    output: OutputSpec
    caps: frozenset = frozenset({"grad", "layers"})
    device: str = "cpu"

    def module(self):
        return self.net

    def target_layer(self):
        return None

    def forward(self, prepared):
        return self.net(prepared["image"])

    def predict(self, prepared):
        with torch.inference_mode():
            return self.forward(prepared).double().numpy()


@pytest.mark.parametrize("method", ["hirescam", "gradcam++", "layercam", "eigencam"])
def test_the_other_formulas_as_they_are_published(method):
    """Recomputed channel by channel and cell by cell; captum has none of them."""
    torch.manual_seed(3)
    activations = torch.rand(1, 5, 3, 4, requires_grad=True)
    head = torch.nn.Conv2d(5, 1, (3, 4))
    score = head(activations).sum()
    if method == "eigencam":
        ours = eigencam(activations.detach())[0].numpy()
    else:
        ours = cam_maps(activations, score.reshape(1, 1), method)[0, 0].numpy()
    a = activations.detach()[0].double().numpy()
    g = head.weight.detach()[0].double().numpy()
    wanted = np.zeros((3, 4))
    if method == "eigencam":
        cells = a.reshape(5, -1).T
        _, vectors = np.linalg.eigh(cells.T @ cells)
        wanted = (cells @ vectors[:, -1]).reshape(3, 4)
        wanted *= np.sign(wanted.sum())
    for channel in range(0 if method == "eigencam" else 5):
        weight = 0.0
        for i in range(3):
            for j in range(4):
                slope = g[channel, i, j]
                if method == "gradcam++":  # equations 15 and 19 of Chattopadhay et al.
                    below = 2 * slope**2 + a[channel].sum() * slope**3
                    weight += slope**2 / below * max(slope, 0.0)
                else:
                    factor = max(slope, 0.0) if method == "layercam" else slope
                    wanted[i, j] += factor * a[channel, i, j]
        wanted += weight * a[channel]
    assert ours == pytest.approx(wanted, rel=1e-4, abs=1e-6)
