"""Auscult's own small networks by name, so that a folder with their tensors needs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    import torch

OWN_NETWORKS = (
    "auscult.GRU",
    "auscult.LSTM",
    "auscult.TimeTransformer",
    "auscult.TextClassifier",
    "auscult.Fusion",
    "auscult.SwinClassifier",
    "auscult.VisionTransformer",
)
TAKES_SEVERAL = ("auscult.Fusion",)


def build_own(name: str, args: Mapping[str, Any], where: str) -> torch.nn.Module:
    """Build a network of :data:`OWN_NETWORKS`.

    Args:
        name: Its name.
        args: Its arguments, all by keyword.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If the arguments do not fit.
    """
    from model_adapters.architectures.fusion_network import fusion
    from model_adapters.architectures.swin_classifier import SwinClassifier
    from model_adapters.architectures.text_networks import TextClassifier
    from model_adapters.architectures.time_networks import gru, lstm, time_transformer
    from model_adapters.architectures.vision_transformer import VisionTransformer

    factories: dict[str, Any] = {
        "auscult.GRU": gru,
        "auscult.LSTM": lstm,
        "auscult.TimeTransformer": time_transformer,
        "auscult.TextClassifier": TextClassifier,
        "auscult.Fusion": fusion,
        "auscult.SwinClassifier": SwinClassifier,
        "auscult.VisionTransformer": VisionTransformer,
    }
    try:
        module: torch.nn.Module = factories[name](**args)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        msg = f"{where}: architecture.args: {name} does not take them ({reason}); correct them."
        raise AdapterError(msg) from error
    return module
