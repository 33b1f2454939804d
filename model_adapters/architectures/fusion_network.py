"""A small network over several inputs: one branch each, joined before the last layers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from model_adapters.architectures.text_networks import TextClassifier
from model_adapters.architectures.time_networks import Recurrent, TimeTransformer


class ImageBranch(nn.Module):
    """Four strided convolutions and the mean over the image."""

    def __init__(self, *, channels: int = 1, width: int = 8) -> None:
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.size = sizes[-1]

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """Return (n, 4 * width) of (n, channels, rows, columns)."""
        found: torch.Tensor = self.features(image).mean(dim=(2, 3))
        return found


class TableBranch(nn.Module):
    """One hidden layer over the columns of a table."""

    def __init__(self, *, columns: int, width: int = 16) -> None:
        super().__init__()
        self.layer = nn.Linear(columns, width)
        self.size = width

    def embed(self, table: torch.Tensor) -> torch.Tensor:
        """Return (n, width) of (n, columns)."""
        return torch.relu(self.layer(table))


class FusionNetwork(nn.Module):
    """Branches by the name of their input; what they find is joined and read by two layers.

    Args:
        branches: Input name to branch; each has ``embed`` and a known size.
        sizes: Numbers each branch gives.
        hidden: Size of the joint layer.
        outputs: Logits or values returned.
    """

    def __init__(
        self, branches: Mapping[str, nn.Module], sizes: Mapping[str, int], hidden: int, outputs: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(dict(branches))
        self.joint = nn.Linear(sum(sizes.values()), hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return (n, outputs) of one tensor per branch."""
        found = [branch.embed(inputs[name]) for name, branch in self.branches.items()]  # type: ignore[operator]  # every branch has embed
        out: torch.Tensor = self.head(torch.relu(self.joint(torch.cat(found, dim=1))))
        return out


def fusion(
    *, branches: Mapping[str, Mapping[str, Any]], outputs: int, hidden: int = 16
) -> nn.Module:
    """Return a network with a branch for every input.

    Args:
        branches: Input name to ``{kind = "image" | "table" | "gru" | "transformer" | "text"}``
            and the branch's own arguments.
        outputs: Logits or values returned.
        hidden: Size of the joint layer.
    """
    built: dict[str, nn.Module] = {}
    sizes: dict[str, int] = {}
    for name, given in branches.items():
        args = dict(given)
        built[name], sizes[name] = _branch(args.pop("kind", ""), args)
    return FusionNetwork(built, sizes, hidden, outputs)


def _branch(kind: str, args: dict[str, Any]) -> tuple[nn.Module, int]:
    if kind == "image":
        image = ImageBranch(**args)
        return image, image.size
    if kind == "table":
        table = TableBranch(**args)
        return table, table.size
    if kind == "gru":
        recurrent = Recurrent(nn.GRU, layers=1, outputs=1, **args)
        recurrent.head = nn.Identity()  # type: ignore[assignment]  # the joint layer reads instead
        return recurrent, args["hidden"]
    if kind == "transformer":
        sized = {"heads": 2, "layers": 1, **args}
        attention = TimeTransformer(outputs=1, **sized)
        attention.head = nn.Identity()  # type: ignore[assignment]  # as above
        return attention, args["width"]
    if kind == "text":
        text = TextClassifier(outputs=1, **args)
        text.head = nn.Identity()  # type: ignore[assignment]  # as above
        return text, 2 * text.convolution.out_channels
    msg = f'kind must be "image", "table", "gru", "transformer" or "text", found {kind!r}'
    raise ValueError(msg)
