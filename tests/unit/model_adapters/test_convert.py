"""Checkpoints become safetensors folders in a process that runs none of their code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model_adapters import (
    AdapterError,
    Isolation,
    UnsafeFormatError,
    check_model_folder,
    convert_checkpoint,
    load_adapter,
    manifest_text,
)

NET = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
LAYERS = [
    {"type": "Linear", "args": {"in_features": 3, "out_features": 4}, "key": "0"},
    {"type": "ReLU"},
    {"type": "Linear", "args": {"in_features": 4, "out_features": 1}, "key": "2"},
]


def convert(content, tmp_path, name="net.pt", **given):
    source = tmp_path / name
    if content is not None:
        (save_file if source.suffix == ".safetensors" else torch.save)(content, source)
    given = {"architecture": "sequential", "args": {"layers": LAYERS}, **given}
    return convert_checkpoint(source, tmp_path / "out", **given)


WRAPPED = {f"module.{name}": tensor for name, tensor in NET.state_dict().items()}


@pytest.mark.parametrize(
    "content",
    [NET.state_dict(), {"epoch": 3, "state_dict": WRAPPED, "optimizer": {"lr": 0.1}}],
    ids=["state dict", "training checkpoint"],
)
def test_a_state_dict_becomes_a_folder_that_conforms(tmp_path, content):
    done = convert(content, tmp_path)
    assert done.tensors == 4
    adapter = load_adapter(done.folder, device="cpu")
    assert adapter.card.weights_sha256 == done.weights_sha256
    x = torch.rand(5, 3)
    with torch.inference_mode():
        want = NET(x).numpy()
    np.testing.assert_allclose(adapter.predict({"table": x}), want, atol=1e-6)
    assert all(result.passed for result in check_model_folder(done.folder, device="cpu"))
    assert done.assumed == (
        "inputs.table: features = ['feature_1', 'feature_2', 'feature_3']",
        "model.outputs: output",
        "model.task: binary",
        "model.space: logit",
    )
    assert "model.space: logit" in adapter.card.declared["assumed_by_the_converter"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_is_declared_is_not_assumed(tmp_path):
    declared = {
        "model": {"id": "icu", "version": "2.0", "task": "binary", "outputs": ["death"],
                  "space": "logit", "thresholds": [0.2]},
        "inputs": {"ehr": {"features": ["age", "crp", "sofa"], "encoding": [
            {"feature": "age", "kind": "numeric", "mean": 60.0, "std": 15.0},
            {"feature": "crp", "kind": "numeric", "impute": 5.0},
            {"feature": "sofa", "kind": "numeric"}]}},
        "architecture": {"target_layer": "0"},
        "card": {"intended_use": "triage"},
    }  # fmt: skip
    done = convert(NET.state_dict(), tmp_path, "net.safetensors", declared=declared)
    assert done.assumed == ()
    adapter = load_adapter(done.folder, device="cpu")
    assert adapter.card.key == "icu@2.0"
    assert adapter.card.declared == {"intended_use": "triage", "converted_from": "net.safetensors"}
    assert adapter.target_layer().name == "0"


def test_an_image_network_by_name(tmp_path):
    from model_adapters.architectures import build_network
    from model_adapters.schema import ArchitectureSection

    args = {"spatial_dims": 2, "n_input_channels": 1, "num_classes": 3}
    net = build_network(ArchitectureSection(name="monai.resnet10", args=args), "here").module
    done = convert(
        net.state_dict(), tmp_path, "net.safetensors", architecture="monai.resnet10", args=args
    )
    document = tomllib.loads((done.folder / "model.toml").read_text())
    assert document["inputs"]["image"] == {"size": [224, 224], "scale": "0-1", "channels": 1}
    assert document["model"]["outputs"] == ["output_1", "output_2", "output_3"]
    assert document["architecture"]["args"] == args
    assert load_file(done.folder / "weights.safetensors").keys() == net.state_dict().keys()


def layers_on_images(dimensions, channels):
    args = {"in_channels": channels, "out_channels": 1, "kernel_size": 1}
    layers = [
        {"type": f"Conv{dimensions}d", "args": args, "key": "0"},
        {"type": f"AdaptiveAvgPool{dimensions}d", "args": {"output_size": 1}},
        {"type": "Flatten"},
    ]
    state = {"0.weight": torch.ones(1, channels, *[1] * dimensions), "0.bias": torch.ones(1)}
    return state, {"layers": layers}


@pytest.mark.parametrize(
    ("dimensions", "channels", "size"), [(2, 3, [224, 224]), (3, 1, [96, 96, 96])]
)
def test_what_a_list_of_layers_takes_is_assumed(tmp_path, dimensions, channels, size):
    state, args = layers_on_images(dimensions, channels)
    done = convert(state, tmp_path, "net.safetensors", args=args)
    document = tomllib.loads((done.folder / "model.toml").read_text())
    assert document["inputs"]["image"] == {"size": size, "scale": "0-1", "channels": channels}


def test_images_that_are_neither_grey_nor_colour(tmp_path):
    state, args = layers_on_images(2, 5)
    with pytest.raises(AdapterError, match=r"inputs\.image\.channels"):
        convert(state, tmp_path, "net.safetensors", args=args)


def test_outputs_that_cannot_be_counted(tmp_path):
    declared = {"inputs": {"image": {"size": [8, 8], "channels": 3}}}
    with pytest.raises(AdapterError, match="does not take an input of shape"):
        convert(NET.state_dict(), tmp_path, "net.safetensors", declared=declared)


class Touches:
    """An object whose unpickling would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_never_runs(tmp_path):
    proof = tmp_path / "ran"
    with pytest.raises(UnsafeFormatError, match="holds more than tensors") as error:
        convert({"state_dict": NET.state_dict(), "extra": Touches(proof)}, tmp_path)
    assert not proof.exists()
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_whole_modules_are_refused(tmp_path):
    with pytest.raises(
        UnsafeFormatError, match=r"torch\.nn\.modules\.container\.Sequential"
    ) as error:
        convert(NET, tmp_path)
    assert "model.state_dict()" in str(error.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.trace(NET, torch.rand(1, 3)), tmp_path / "net.pt")
    with pytest.raises(UnsafeFormatError, match="is a TorchScript program"):
        convert(None, tmp_path)


def test_a_checkpoint_without_a_state_dict(tmp_path):
    with pytest.raises(AdapterError, match="holds no state dict, found a dict"):
        convert({"epoch": 3}, tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"2.bias": torch.ones(1)}, "lacks 3 tensors"),
        ({**NET.state_dict(), "3.weight": torch.ones(1)}, "beyond the architecture, 1 tensors"),
    ],
)
def test_what_does_not_match_is_one_sentence(tmp_path, content, sentence):
    with pytest.raises(AdapterError, match=sentence) as error:
        convert(content, tmp_path, "net.safetensors")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_safetensors_are_taken_as_they_are(tmp_path):
    done = convert(NET.state_dict(), tmp_path, "net.safetensors")
    assert done.tensors == 4
    assert load_adapter(done.folder, device="cpu").predict({"table": torch.ones(1, 3)}).shape == (
        1,
        1,
    )


def test_broken_and_missing_files(tmp_path):
    with pytest.raises(AdapterError, match="no such file"):
        convert(None, tmp_path)
    (tmp_path / "net.pt").write_bytes(b"\x89HDF\r\n\x1a\n rest")
    with pytest.raises(AdapterError, match="cannot read it as a checkpoint"):
        convert(None, tmp_path)


def test_limits_of_the_isolated_process(tmp_path):
    with pytest.raises(AdapterError, match=r"ended with code|was not read within"):
        convert(NET.state_dict(), tmp_path, isolation=Isolation(memory_gib=0, seconds=60))


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    with pytest.raises(AdapterError, match="exists already"):
        convert(NET.state_dict(), tmp_path)
    assert (tmp_path / "out" / "precious").exists()


def test_wrong_declarations_are_refused_before_the_folder_appears(tmp_path):
    with pytest.raises(AdapterError, match=r"out/model\.toml: model\.task: input should be"):
        convert(
            NET.state_dict(), tmp_path, "net.safetensors", declared={"model": {"task": "guess"}}
        )
    with pytest.raises(AdapterError, match="--args: architecture: layers and name"):
        convert(NET.state_dict(), tmp_path, args={})
    assert not (tmp_path / "out").exists()


def test_a_manifest_says_what_it_was_given():
    document = {
        "model": {"id": "a", "outputs": ['x "y" \\ \x7f é'], "thresholds": [1e-7], "no": None},
        "weights": {"external": {"w.bin": "0"}},
        "inputs": {"odd name": {"size": [1, 2], "encoding": [{"clip": [0.5, 3], "on": True}]}},
        "card": {"plain": 3, "training": {"years": [2019, 2020]}},
        "architecture": {"name": "s", "layers": [{"type": "ReLU", "args": {}}]},
    }  # fmt: skip
    back = tomllib.loads(manifest_text(document))
    document["model"].pop("no")
    assert json.dumps(back, sort_keys=True) == json.dumps(document, sort_keys=True)
