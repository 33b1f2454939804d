"""A Swin transformer with a linear head, for images and volumes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import nn


class SwinClassifier(nn.Module):
    """MONAI's Swin transformer (Liu et al., ICCV 2021) with the mean of its last tokens as head.

    Args:
        in_channels: Channels of the image.
        out_channels: Outputs.
        embed_dim: Channels of the first stage; each of the four stages doubles them.
        window_size: Tokens of a window per axis.
        patch_size: Pixels of a patch per axis.
        depths: Blocks of the four stages.
        num_heads: Heads of the four stages.
        spatial_dims: 2 or 3.
    """

    def __init__(  # noqa: PLR0913 - what shapes the network, all by keyword
        self,
        *,
        in_channels: int,
        out_channels: int,
        embed_dim: int = 24,
        window_size: Sequence[int] = (7, 7),
        patch_size: Sequence[int] = (2, 2),
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        spatial_dims: int = 2,
    ) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from monai.networks.nets.swin_unetr import SwinTransformer

        self.swin = SwinTransformer(
            in_chans=in_channels,
            embed_dim=embed_dim,
            window_size=tuple(window_size),
            patch_size=tuple(patch_size),
            depths=tuple(depths),
            num_heads=tuple(num_heads),
            spatial_dims=spatial_dims,
        )
        self.norm = nn.LayerNorm(16 * embed_dim)
        self.head = nn.Linear(16 * embed_dim, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, out_channels) of (n, in_channels, *spatial)."""
        last = self.swin(x, normalize=False)[-1]
        logits: torch.Tensor = self.head(self.norm(last.flatten(2).transpose(1, 2)).mean(dim=1))
        return logits
