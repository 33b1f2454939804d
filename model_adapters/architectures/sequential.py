"""A small published network without code: a list of allow-listed ``torch.nn`` layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_adapters.errors import AdapterError
from model_adapters.schema import ArchitectureSection, LayerSection

if TYPE_CHECKING:
    import torch

    from model_adapters.architectures.registry import Network

_BY_DIMENSION = (
    "Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool",
    "BatchNorm", "InstanceNorm", "Dropout", "ZeroPad", "ReflectionPad", "ReplicationPad",
)  # fmt: skip
LAYERS = frozenset(
    {f"{name}{dimension}d" for name in _BY_DIMENSION for dimension in (1, 2, 3)}
) | {
    "Linear", "Flatten", "Unflatten", "Identity", "Dropout", "AlphaDropout", "LayerNorm",
    "GroupNorm", "RMSNorm", "Upsample", "PixelShuffle",
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish",
    "Hardswish", "Hardsigmoid", "Hardtanh", "Softplus", "Softsign", "Tanh", "Sigmoid", "Softmax",
}  # fmt: skip
_SQUASHING = frozenset({"Sigmoid", "Softmax"})


def build_sequential(section: ArchitectureSection, where: str) -> Network:
    """Build the declared layers in order.

    A layer is called by its ``key`` with underscores, or by its position and type. Manifests may
    name a target layer by its key, by that name or by its position.

    Args:
        section: The declaration, with at least one layer.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If a layer's type or arguments are not allowed, or two share a key.
    """
    import torch

    from model_adapters.architectures.registry import Network

    module = torch.nn.Sequential()
    rename: dict[str, str] = {}
    names: dict[str, str] = {}
    for at, layer in enumerate(section.layers):
        key = f"{where}: architecture.layers[{at}]"
        built = _layer(layer, key)
        name = layer.key.replace(".", "_") if layer.key else f"{at}_{layer.type}"
        if name in names:
            raise AdapterError(f"{key}.key: {layer.key!r} is used twice; give each layer its own.")
        module.add_module(name, built)
        names |= {name: name, str(at): name, **({layer.key: name} if layer.key else {})}
        prefix = layer.key or name
        rename |= {f"{name}.{tensor}": f"{prefix}.{tensor}" for tensor in built.state_dict()}
    squashed = section.layers[-1].type in _SQUASHING
    return Network(
        module=module,
        rename=rename,
        layer_names=names,
        squashed=squashed,
        key_map=section.key_map,
    )


def _layer(layer: LayerSection, key: str) -> torch.nn.Module:
    import torch

    if layer.type not in LAYERS:
        msg = (
            f"{key}.type: {layer.type!r} is not an allowed layer; use one of "
            f"{', '.join(sorted(LAYERS))}."
        )
        raise AdapterError(msg)
    try:
        built = getattr(torch.nn, layer.type)(**{k: _value(v) for k, v in layer.args.items()})
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"{key}.args: torch.nn.{layer.type} does not take them ({error}); correct them."
        raise AdapterError(msg) from error
    if not isinstance(built, torch.nn.Module):  # pragma: no cover - every allowed name is a layer
        raise AdapterError(f"{key}.type: {layer.type!r} is not a layer; choose another.")
    return built


def _value(value: Any) -> Any:
    return tuple(_value(item) for item in value) if isinstance(value, list) else value
