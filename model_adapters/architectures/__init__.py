"""The networks whose tensors Auscult may load: an allow-list, never an import by name."""

from __future__ import annotations

from model_adapters.architectures.registry import (
    Network,
    build_network,
    known_architectures,
    register_architecture,
)

__all__ = ["Network", "build_network", "known_architectures", "register_architecture"]
