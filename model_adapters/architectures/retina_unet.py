"""The U-Net for vessels in fundus images of orobix/retina-unet, as published.

Two down-samplings, two convolutions at each of the five stages, a 1 x 1 convolution with a ReLU,
two classes. The published pipeline cuts patches of 48 pixels; the network has no dense layer, so
the whole frame goes through it at once, padded to a multiple of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    import torch

NAME = "orobix.RetinaUNet"
STRIDE = 4
_WIDTHS = (
    ("c1", 1, 32), ("c2", 32, 32), ("c3", 32, 64), ("c4", 64, 64), ("c5", 64, 128),
    ("c6", 128, 128), ("c7", 192, 64), ("c8", 64, 64), ("c9", 96, 32), ("c10", 32, 32),
)  # fmt: skip


def build_retina_unet(args: Mapping[str, Any], where: str) -> torch.nn.Module:
    """Build the network; it takes no arguments.

    Args:
        args: ``architecture.args``; must be empty.
        where: The manifest's path, for messages.

    Raises:
        AdapterError: If there are arguments.
    """
    if args:
        raise AdapterError(
            f"{where}: architecture.args: {NAME} takes none, found {sorted(args)}; remove them."
        )
    import torch
    from torch import nn
    from torch.nn.functional import interpolate, max_pool2d, pad

    class RetinaUNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, taken, given in _WIDTHS:
                self.add_module(name, nn.Conv2d(taken, given, 3, padding=1))
                self.add_module(f"relu{name[1:]}", nn.ReLU())
            self.c11 = nn.Conv2d(32, 2, 1)

        def _stage(self, x: torch.Tensor, *numbers: int) -> torch.Tensor:
            for number in numbers:
                x = self.get_submodule(f"c{number}")(x)
                x = self.get_submodule(f"relu{number}")(x)
            return x

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows, columns = x.shape[2:]
            x = pad(x, (0, -columns % STRIDE, 0, -rows % STRIDE))
            fine = self._stage(x, 1, 2)
            middle = self._stage(max_pool2d(fine, 2), 3, 4)
            deep = self._stage(max_pool2d(middle, 2), 5, 6)
            up = self._stage(torch.cat([interpolate(deep, scale_factor=2), middle], 1), 7, 8)
            up = self._stage(torch.cat([interpolate(up, scale_factor=2), fine], 1), 9, 10)
            classes: torch.Tensor = self.c11(up).relu()
            return classes[:, :, :rows, :columns]

    return RetinaUNet()
