"""Registered networks: what is allowed, strict tensors, and CheXNet-style checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own abbreviation
from safetensors.torch import save

from model_adapters import AdapterError, load_adapter
from model_adapters.architectures import build_network, known_architectures, register_architecture
from model_adapters.architectures.key_maps import torchvision_densenet121
from model_adapters.architectures.monai_networks import MONAI_NETWORKS
from model_adapters.schema import ArchitectureSection

SMALL = {
    "monai.DenseNet121": ({"spatial_dims": 2, "in_channels": 1, "out_channels": 2}, (1, 64, 64)),
    "monai.DenseNet": (
        {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_features": 8,
         "growth_rate": 4, "block_config": [2, 2]},
        (1, 16, 16, 16),
    ),
    "monai.ResNet": (
        {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [4, 8, 8, 8],
         "spatial_dims": 2, "n_input_channels": 1, "num_classes": 2},
        (1, 64, 64),
    ),
    "monai.resnet10": ({"spatial_dims": 2, "n_input_channels": 1, "num_classes": 2}, (1, 64, 64)),
    "monai.SEResNet50": (
        {"spatial_dims": 2, "in_channels": 1, "num_classes": 2, "layers": [1, 1, 1, 1]},
        (1, 64, 64),
    ),
    "monai.EfficientNetBN": (
        {"model_name": "efficientnet-b0", "in_channels": 1, "num_classes": 2},
        (1, 64, 64),
    ),
    "monai.ViT": (
        {"in_channels": 1, "img_size": [32, 32], "patch_size": [8, 8], "hidden_size": 24,
         "mlp_dim": 32, "num_layers": 2, "num_heads": 2, "spatial_dims": 2,
         "classification": True, "num_classes": 2},
        (1, 32, 32),
    ),
}  # fmt: skip


def folder(write_model, module, name, args, size, **architecture):
    return write_model(
        save(module.state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        model={"task": "multilabel", "outputs": ["a", "b"]},
        **{
            "inputs.image": {"size": list(size[1:]), "channels": size[0]},
            "architecture": {"name": name, "args": args, **architecture},
        },
    )


@pytest.mark.parametrize("name", SMALL)
def test_monai_networks_by_name(write_model, name):
    args, size = SMALL[name]
    module = build_network(ArchitectureSection(name=name, args=args), "here").module.eval()
    adapter = load_adapter(folder(write_model, module, name, args, size), device="cpu")
    x = torch.rand(2, *size)
    with torch.inference_mode():
        want = module(x)
    want = want[0] if isinstance(want, tuple) else want
    np.testing.assert_allclose(adapter.predict({"image": x}), want.numpy(), atol=1e-6)
    assert not any(m.training for m in adapter.module().modules())


def test_vit_gives_logits_not_their_tanh(write_model):
    args, size = SMALL["monai.ViT"]
    module = build_network(ArchitectureSection(name="monai.ViT", args=args), "here").module
    with torch.no_grad():
        module.classification_head.weight.mul_(500)
    tokens = {"layer": "blocks.1.norm1", "prefix": 1, "grid": [4, 4]}
    path = folder(write_model, module, "monai.ViT", args, size, tokens=tokens)
    adapter = load_adapter(path, device="cpu")
    assert np.abs(adapter.predict({"image": torch.rand(4, *size)})).max() > 1
    assert adapter.tokens().grid == (4, 4)


def test_every_allowed_monai_name_exists():
    from monai.networks import nets

    assert all(hasattr(nets, name.removeprefix("monai.")) for name in MONAI_NETWORKS)


def test_building_leaves_the_random_state_alone():
    args, _ = SMALL["monai.resnet10"]
    torch.manual_seed(1)
    want = torch.rand(3)
    torch.manual_seed(1)
    build_network(ArchitectureSection(name="monai.resnet10", args=args), "here")
    assert torch.equal(torch.rand(3), want)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"name": "os.system"}, "'os.system' is not a registered network"),
        ({"name": "monai.GlobalNet"}, "is not a registered network"),
        ({"name": "monai.resnet10", "args": {"pretrained": True}}, "come from the model folder"),
        (
            {"name": "monai.DenseNet121", "args": {"spatial_dims": 2, "in_channels": 1}},
            "monai.DenseNet121 does not take them",
        ),
        ({"name": "monai.UNet", "args": {"colour": 3}}, "architecture.args.colour: is not an arg"),
        ({"name": "monai.UNet", "key_map": "keras"}, "architecture.key_map: expected one of"),
        (
            {"name": "sequential", "layers": [{"type": "LazyLinear", "args": {"out_features": 1}}]},
            "'LazyLinear' is not an allowed layer",
        ),
        (
            {"name": "sequential", "layers": [{"type": "Linear", "args": {"in_features": 2}}]},
            "torch.nn.Linear does not take them",
        ),
        (
            {"name": "sequential", "layers": [{"type": "ReLU", "key": "a"}] * 2},
            "'a' is used twice",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_allowed(section, sentence):
    with pytest.raises(AdapterError) as error:
        build_network(ArchitectureSection.model_validate(section), "here")
    assert sentence in str(error.value)


def test_a_network_of_ones_own(write_model, monkeypatch):
    monkeypatch.setattr("model_adapters.architectures.registry._REGISTERED", {})
    register_architecture("ward.Linear", lambda args: torch.nn.Linear(**args))
    assert "ward.Linear" in known_architectures()
    with pytest.raises(AdapterError, match="registered already"):
        register_architecture("ward.Linear", torch.nn.Linear)
    path = write_model(
        save(torch.nn.Linear(2, 1).state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        **{
            "inputs.ehr": {"features": ["a", "b"]},
            "architecture": {"name": "ward.Linear", "args": {"in_features": 2, "out_features": 1}},
        },
    )
    assert load_adapter(path, device="cpu").predict({"ehr": np.zeros((3, 2))}).shape == (3, 1)


def linear_folder(write_model, tensors, layers=None, *, space="logit", **architecture):
    layers = layers or [
        {"type": "Linear", "args": {"in_features": 2, "out_features": 1}, "key": "fc"}
    ]
    return write_model(
        save(tensors),
        weights={"format": "safetensors", "file": "w.safetensors"},
        model={"space": space},
        **{
            "inputs.ehr": {"features": ["a", "b"]},
            "architecture": {"name": "sequential", "layers": layers, **architecture},
        },
    )


GOOD = {"fc.weight": torch.tensor([[1.0, 2.0]]), "fc.bias": torch.zeros(1)}


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"fc.weight": GOOD["fc.weight"]}, r"lacks 1 tensors \(the first: fc\.bias\)"),
        ({**GOOD, "extra": torch.zeros(1)}, r"holds, beyond the architecture, 1 tensors"),
        ({**GOOD, "fc.weight": torch.zeros(2, 1)}, r"has shape \(2, 1\), the architecture wants"),
    ],
)
def test_tensors_match_strictly(write_model, tensors, sentence):
    with pytest.raises(AdapterError, match=sentence):
        load_adapter(linear_folder(write_model, tensors), device="cpu")


def test_probabilities_of_a_network_that_gives_logits(write_model):
    x = {"ehr": np.array([[1.0, 1.0]])}
    logit = load_adapter(linear_folder(write_model, GOOD), device="cpu").predict(x)
    adapter = load_adapter(linear_folder(write_model, GOOD, space="probability"), device="cpu")
    np.testing.assert_allclose(adapter.predict(x), 1 / (1 + np.exp(-logit)), rtol=1e-6)
    layers = [
        {"type": "Linear", "args": {"in_features": 2, "out_features": 1}, "key": "fc"},
        {"type": "Sigmoid"},
    ]
    path = linear_folder(write_model, GOOD, layers, space="probability")
    np.testing.assert_allclose(load_adapter(path, device="cpu").predict(x), adapter.predict(x))
    with pytest.raises(AdapterError, match="but the last layer gives probabilities"):
        load_adapter(linear_folder(write_model, GOOD, layers), device="cpu")


def test_number_of_outputs_and_target_layer(write_model):
    path = linear_folder(write_model, {"fc.weight": torch.ones(3, 2), "fc.bias": torch.ones(3)},
                         [{"type": "Linear", "args": {"in_features": 2, "out_features": 3},
                           "key": "fc"}])  # fmt: skip
    with pytest.raises(AdapterError, match="names 1 outputs, but the model returned 3"):
        load_adapter(path, device="cpu").predict({"ehr": np.ones((1, 2))})
    with pytest.raises(AdapterError, match="'nowhere' is no layer of the network"):
        load_adapter(linear_folder(write_model, GOOD, target_layer="nowhere"), device="cpu")


# CheXNet-style checkpoints: torchvision's names around MONAI's DenseNet-121.


def torchvision_names():
    """Return a random DenseNet-121 state dict in torchvision's names: 14 findings, 3 channels."""
    generator = torch.Generator().manual_seed(3)
    state = {}

    def conv(name, out, into, size):
        scale = (2 / (into * size * size)) ** 0.5
        state[f"{name}.weight"] = scale * torch.randn(out, into, size, size, generator=generator)

    def norm(name, width):
        state[f"{name}.weight"] = 0.5 + torch.rand(width, generator=generator)
        state[f"{name}.bias"] = 0.1 * torch.randn(width, generator=generator)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(width, generator=generator)
        state[f"{name}.running_var"] = 0.5 + torch.rand(width, generator=generator)

    conv("features.conv0", 64, 3, 7)
    norm("features.norm0", 64)
    width = 64
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, layers + 1):
            prefix = f"features.denseblock{block}.denselayer{layer}"
            norm(f"{prefix}.norm1", width)
            conv(f"{prefix}.conv1", 128, width, 1)
            norm(f"{prefix}.norm2", 128)
            conv(f"{prefix}.conv2", 32, 128, 3)
            width += 32
        if block < 4:
            norm(f"features.transition{block}.norm", width)
            conv(f"features.transition{block}.conv", width // 2, width, 1)
            width //= 2
    norm("features.norm5", width)
    state["classifier.weight"] = 0.05 * torch.randn(14, width, generator=generator)
    state["classifier.bias"] = 0.1 * torch.randn(14, generator=generator)
    return state


def reference_logits(s, x):
    """DenseNet-121 (Huang et al. 2017) as torchvision runs it, from functions alone."""

    def norm(x, name):
        stats = (s[f"{name}.running_mean"], s[f"{name}.running_var"])
        return F.batch_norm(x, *stats, s[f"{name}.weight"], s[f"{name}.bias"], training=False)

    def conv(x, name, **how):
        return F.conv2d(x, s[f"{name}.weight"], **how)

    x = F.relu(norm(conv(x, "features.conv0", stride=2, padding=3), "features.norm0"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, layers + 1):
            p = f"features.denseblock{block}.denselayer{layer}"
            y = conv(F.relu(norm(x, f"{p}.norm1")), f"{p}.conv1")
            y = conv(F.relu(norm(y, f"{p}.norm2")), f"{p}.conv2", padding=1)
            x = torch.cat([x, y], dim=1)
        if block < 4:
            p = f"features.transition{block}"
            x = F.avg_pool2d(conv(F.relu(norm(x, f"{p}.norm")), f"{p}.conv"), 2)
    x = F.relu(norm(x, "features.norm5")).mean(dim=(2, 3))
    return F.linear(x, s["classifier.weight"], s["classifier.bias"])


def plain(name):
    return name


def chexnet(name):
    """The names of the first CheXNet re-trainings: wrapped, old layer names, a sigmoid head."""
    name = name.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.")
    name = name.replace(".conv1.", ".conv.1.").replace(".conv2.", ".conv.2.")
    return "module.densenet121." + name.replace("classifier.", "classifier.0.")


@pytest.mark.parametrize("spelled", [plain, chexnet])
@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "torchvision.DenseNet121", "args": {"out_channels": 14}},
        {
            "name": "monai.DenseNet121",
            "args": {"spatial_dims": 2, "in_channels": 3, "out_channels": 14},
            "key_map": "torchvision-densenet121",
        },
    ],
    ids=lambda a: a["name"],
)
def test_torchvision_densenet121_equals_its_reference(write_model, spelled, architecture):
    state = torchvision_names()
    path = write_model(
        save({spelled(name): tensor.contiguous() for name, tensor in state.items()}),
        weights={"format": "safetensors", "file": "w.safetensors"},
        model={"task": "multilabel", "outputs": [f"f{i}" for i in range(14)]},
        **{
            "inputs.image": {"size": [64, 64], "channels": 3},
            "architecture": {**architecture, "target_layer": "features.denseblock4"},
        },
    )
    adapter = load_adapter(path, device="cpu")
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        want = reference_logits(state, x).numpy()
    assert want.std() > 0.05
    np.testing.assert_allclose(adapter.predict({"image": x}), want, atol=1e-5)
    assert adapter.target_layer().name == "features.denseblock4"


def test_key_map_names():
    translate = torchvision_densenet121
    assert translate("features.transition1.conv.weight") == "features.transition1.conv.weight"
    assert translate("classifier.bias") == "class_layers.out.bias"
    want = "features.denseblock2.denselayer3.layers.norm2.running_var"
    assert translate("module.features.denseblock2.denselayer3.norm.2.running_var") == want
    assert translate(want) == want
