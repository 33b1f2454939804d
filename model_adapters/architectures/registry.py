"""From the ``[architecture]`` section to a torch module with no weights in it yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model_adapters.architectures.key_maps import KEY_MAPS
from model_adapters.errors import AdapterError
from model_adapters.schema import ArchitectureSection

if TYPE_CHECKING:
    import torch

Factory = Callable[[Mapping[str, Any]], "torch.nn.Module"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A module and how the tensors of a weights file belong to it.

    Attributes:
        module: The network, randomly initialised.
        rename: Module's tensor name -> name in the weights file; absent names are equal.
        layer_names: Name a manifest may use for a layer -> dotted name in the module.
        squashed: Whether the last layer already gives probabilities.
        key_map: Name of a map of tensor names from another library, or None.
        several: Whether ``forward`` takes a mapping of input names to tensors.
    """

    module: torch.nn.Module
    rename: Mapping[str, str] = field(default_factory=dict)
    layer_names: Mapping[str, str] = field(default_factory=dict)
    squashed: bool = False
    key_map: str | None = None
    several: bool = False


_REGISTERED: dict[str, tuple[Factory, bool]] = {}


def register_architecture(name: str, factory: Factory, *, several: bool = False) -> None:
    """Allow a network of one's own under a name, for example at the start of a script.

    Args:
        name: What manifests write in ``architecture.name``.
        factory: Builds the module from ``architecture.args``; must return logits or values.
        several: The module takes a mapping of input names to tensors, not one tensor.

    Raises:
        AdapterError: If the name is taken.
    """
    if name in known_architectures():
        raise AdapterError(f"architecture {name!r} is registered already; choose another name.")
    _REGISTERED[name] = (factory, several)


def known_architectures() -> tuple[str, ...]:
    """Return every name that ``architecture.name`` may hold."""
    from model_adapters.architectures.monai_networks import MONAI_NETWORKS
    from model_adapters.architectures.own_networks import OWN_NETWORKS
    from model_adapters.architectures.retina_unet import NAME as RETINA_UNET

    return (
        "sequential",
        "torchvision.DenseNet121",
        RETINA_UNET,
        *MONAI_NETWORKS,
        *OWN_NETWORKS,
        *_REGISTERED,
    )


def build_network(section: ArchitectureSection, where: str) -> Network:
    """Build the declared network; torch's random state is left as it was.

    Args:
        section: The declaration.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If the name, an argument or a layer is not allowed or does not fit.
    """
    import torch

    if section.key_map is not None and section.key_map not in KEY_MAPS:
        msg = (
            f"{where}: architecture.key_map: expected one of {sorted(KEY_MAPS)}, found "
            f"{section.key_map!r}; correct it."
        )
        raise AdapterError(msg)
    with torch.random.fork_rng(devices=[]):
        return _build(section, where)


def _build(section: ArchitectureSection, where: str) -> Network:
    from model_adapters.architectures import retina_unet
    from model_adapters.architectures.monai_networks import MONAI_NETWORKS, build_monai
    from model_adapters.architectures.own_networks import OWN_NETWORKS, TAKES_SEVERAL, build_own
    from model_adapters.architectures.sequential import build_sequential

    if section.name == "sequential":
        return build_sequential(section, where)
    if section.name == "torchvision.DenseNet121":
        args = {"spatial_dims": 2, "in_channels": 3, **section.args}
        module = build_monai("monai.DenseNet121", args, where)
        return Network(module=module, key_map=section.key_map or "torchvision-densenet121")
    if section.name in MONAI_NETWORKS:
        module = build_monai(section.name, section.args, where)
        return Network(module=module, key_map=section.key_map)
    if section.name == retina_unet.NAME:
        module = retina_unet.build_retina_unet(section.args, where)
        return Network(module=module, key_map=section.key_map)
    if section.name in OWN_NETWORKS:
        module = build_own(section.name, section.args, where)
        several = section.name in TAKES_SEVERAL
        return Network(module=module, key_map=section.key_map, several=several)
    if section.name in _REGISTERED:
        factory, several = _REGISTERED[section.name]
        module = factory(section.args)
        return Network(module=module, key_map=section.key_map, several=several)
    msg = (
        f"{where}: architecture.name: {section.name!r} is not a registered network; use one of "
        f"{', '.join(known_architectures())}."
    )
    raise AdapterError(msg)
