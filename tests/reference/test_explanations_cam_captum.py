"""Grad-CAM maps equal captum's wherever captum is right."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from audits.explanations.cams.engine import cam_maps
from audits.explanations.cams.layers import find_target_layer
from audits.explanations.cams.tap import layer_named, tapped

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


NETS = {
    "densenet121": (lambda: _densenet(2), (1, 64, 64), "class_layers.relu"),
    "densenet-3d": (lambda: _small_densenet(3), (1, 24, 32, 40), "class_layers.relu"),
    "resnet": (_resnet, (1, 64, 48), "layer4"),
    "se-resnet": (_squeeze_excite, (3, 64, 64), "layer4"),
    "tiny": (_tiny, (1, 20, 28), "4"),
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
