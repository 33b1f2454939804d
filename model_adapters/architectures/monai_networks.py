"""MONAI networks by name."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    import torch

MONAI_NETWORKS = tuple(
    f"monai.{name}"
    for name in (
        "DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264",
        "ResNet", "resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
        "SENet154", "SEResNet50", "SEResNet101", "SEResNet152", "SEResNext50", "SEResNext101",
        "EfficientNetBN", "HighResNet", "MedNeXt", "FullyConnectedNet", "Classifier", "Regressor",
        "ViT", "UNet", "BasicUNet", "AttentionUnet", "DynUNet", "FlexibleUNet", "SegResNet",
        "SegResNetDS", "VNet", "UNETR", "SwinUNETR", "AutoEncoder",
    )
)  # fmt: skip

_IMPORT = threading.Lock()


def build_monai(name: str, args: Mapping[str, Any], where: str) -> torch.nn.Module:
    """Build a MONAI network; nothing is downloaded.

    Args:
        name: One of :data:`MONAI_NETWORKS`.
        args: Its constructor's keyword arguments.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If MONAI cannot be imported, or the arguments do not fit.
    """
    factory = _factory(name, where)
    given = _checked(name, factory, args, where)
    # MONAI warns about its own defaults while it builds; a model's owner cannot act on that.
    with _IMPORT, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module: torch.nn.Module = factory(**given)
        except ImportError as error:
            msg = (
                f"{where}: architecture.name: {name} needs a package that is not installed "
                f"({error}); install it."
            )
            raise AdapterError(msg) from error
        except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            msg = f"{where}: architecture.args: {name} does not take them ({error}); correct them."
            raise AdapterError(msg) from error
    return module


def _factory(name: str, where: str) -> Any:
    with _IMPORT, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from monai.networks import nets
        except (ImportError, OSError) as error:
            msg = f"{where}: architecture.name: {name} needs MONAI ({error}); pip install monai."
            raise AdapterError(msg) from error
    return getattr(nets, name.removeprefix("monai."))


def _checked(name: str, factory: Any, args: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = dict(args)
    if given.get("pretrained"):
        msg = (
            f"{where}: architecture.args.pretrained: weights come from the model folder only, "
            "found pretrained = true; remove it."
        )
        raise AdapterError(msg)
    known = inspect.signature(factory).parameters
    if "pretrained" in known:
        given["pretrained"] = False
    if name == "monai.ViT":
        given.setdefault("post_activation", None)  # its default, Tanh, would squash the logits
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    unknown = [key for key in given if key not in known and not takes_any]
    if unknown:
        msg = (
            f"{where}: architecture.args.{unknown[0]}: is not an argument of {name}; use those of "
            f"its constructor: {', '.join(k for k in known if k != 'pretrained')}."
        )
        raise AdapterError(msg)
    return given
