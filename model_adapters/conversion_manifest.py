"""The manifest of a converted model: what its owner declared, and what had to be assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model_adapters.architectures import Network
from model_adapters.errors import AdapterError
from model_adapters.schema import ArchitectureSection

if TYPE_CHECKING:
    import torch

WEIGHTS_NAME = "weights.safetensors"
_ASSUMED_SIZE = {1: (1024,), 2: (224, 224), 3: (96, 96, 96)}


def manifest_document(
    network: Network,
    section: ArchitectureSection,
    declared_sections: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Return the sections of a manifest, complete but for the weights' hash.

    Args:
        network: The network with its weights in it.
        section: The declaration it was built from.
        declared_sections: What the owner declares of ``model`` and ``inputs``.

    Returns:
        The sections, and key by key what in them was assumed.

    Raises:
        AdapterError: If the outputs were not declared and the network does not take the inputs.
    """
    assumed: list[str] = []
    model, inputs = declared_sections.get("model", {}), declared_sections.get("inputs", {})
    if not inputs:
        inputs = _assumed_inputs(section)
        name = next(iter(inputs))
        assumed.append(f"inputs.{name}: {_described(inputs[name])}")
    declared: dict[str, Any] = {"id": "converted", "version": "1.0", **model}
    if "outputs" not in declared:
        declared["outputs"] = _assumed_outputs(network, inputs)
        assumed.append(f"model.outputs: {', '.join(declared['outputs'])}")
    if "task" not in declared:
        declared["task"] = "binary" if len(declared["outputs"]) == 1 else "multilabel"
        assumed.append(f"model.task: {declared['task']}")
    if "space" not in declared:
        declared["space"] = "probability" if network.squashed else "logit"
        assumed.append(f"model.space: {declared['space']}")
    architecture: dict[str, Any] = {
        "name": section.name,
        "args": dict(section.args) or None,
        "target_layer": section.target_layer,
        "key_map": section.key_map,
        "tokens": section.tokens.model_dump() if section.tokens else None,
        "layers": [layer.model_dump(exclude_none=True) for layer in section.layers] or None,
    }
    order = dict.fromkeys(("id", "version", "task", "outputs", "space", *declared))
    document = {
        "model": {key: declared[key] for key in order},
        "weights": {"format": "safetensors", "file": WEIGHTS_NAME},
        "inputs": dict(inputs),
        "architecture": architecture,
    }
    return document, tuple(assumed)


def _assumed_inputs(section: ArchitectureSection) -> dict[str, Any]:
    args: dict[str, Any] = dict(section.args)
    if section.layers:
        first = next((layer for layer in section.layers if layer.args), section.layers[0])
        args = dict(first.args)
        if first.type == "Linear":
            columns = range(1, int(args["in_features"]) + 1)
            return {"table": {"features": [f"feature_{at}" for at in columns]}}
        args["spatial_dims"] = 3 if first.type.endswith("3d") else 2
    dimensions = int(args.get("spatial_dims", 2))
    size: Sequence[int] | int = args.get("img_size", _ASSUMED_SIZE[dimensions])
    channels = args.get("in_channels", args.get("n_input_channels"))
    if channels is None:
        channels = 3 if section.name.startswith("torchvision.") else 1
    sizes = [size] * dimensions if isinstance(size, int) else list(size)
    return {"image": {"size": sizes, "scale": "0-1", "channels": int(channels)}}


def _described(section: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in section.items())


def _assumed_outputs(network: Network, inputs: Mapping[str, Any]) -> list[str]:
    """Name the outputs after counting them in one pass of zeros."""
    import torch

    spec = next(iter(inputs.values()))
    shape = (
        (1, len(spec["features"]))
        if "features" in spec
        else (1, spec.get("channels", 1), *spec["size"])
    )
    try:
        with torch.inference_mode():
            returned = network.module(torch.zeros(shape))
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        msg = (
            f"inputs: the network does not take an input of shape {shape} ({reason}); declare the "
            "inputs it was trained on."
        )
        raise AdapterError(msg) from error
    values: torch.Tensor = returned[0] if isinstance(returned, (tuple, list)) else returned
    count = int(values.shape[1]) if values.ndim > 1 else 1
    return ["output"] if count == 1 else [f"output_{at}" for at in range(1, count + 1)]
