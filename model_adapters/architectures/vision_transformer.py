"""A vision transformer with class token and registers, for scores of images or of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class VisionTransformer(nn.Module):
    """A ViT (Dosovitskiy et al., ICLR 2021) with registers (Darcet et al., ICLR 2024).

    Tokens are the class token, then the registers, then the patches row by row: ``tokens.prefix``
    is 1 + ``registers``. Tensors are named as in DINOv2, and attention is written out, so that its
    relevance can be read.

    Args:
        in_channels: Channels of the image.
        out_channels: Outputs.
        image_size: Rows and columns of the image.
        patch_size: Pixels of a patch per axis.
        width: Channels of a token.
        depth: Blocks.
        heads: Heads of a block.
        registers: Tokens without a place in the image.
        layer_scale: Whether every branch of a block has a learnt scale per channel.
        dense: Give one value per pixel, from a linear head on the patches (Strudel et al.,
            ICCV 2021), in place of one per image from the class token.
    """

    def __init__(  # noqa: PLR0913 - what shapes the network, all by keyword
        self,
        *,
        in_channels: int,
        out_channels: int,
        image_size: Sequence[int],
        patch_size: int = 16,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        registers: int = 0,
        layer_scale: bool = False,
        dense: bool = False,
    ) -> None:
        super().__init__()
        if any(size % patch_size for size in image_size) or width % heads:
            raise ValueError(
                f"image_size {list(image_size)} must hold whole patches of {patch_size}, and "
                f"width {width} whole heads of {heads}"
            )
        rows, columns = (size // patch_size for size in image_size)
        self.patch_embed = PatchEmbedding(in_channels, width, patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_tokens = nn.Parameter(torch.zeros(1, registers, width)) if registers else None
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + rows * columns, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, scaled=layer_scale) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, out_channels)
        self._prefix = 1 + registers
        self._dense = dense

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, out_channels), or (n, out_channels, rows, columns) where ``dense``."""
        patches = self.patch_embed(x)
        grid = patches.shape[2:]
        alone = [self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)]
        tokens = torch.cat(alone, dim=1) + self.pos_embed
        if self.register_tokens is not None:
            kept = self.register_tokens.expand(len(x), -1, -1)
            tokens = torch.cat([tokens[:, :1], kept, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        if not self._dense:
            scores: torch.Tensor = self.head(tokens[:, 0])
            return scores
        values = self.head(tokens[:, self._prefix :]).transpose(1, 2).unflatten(2, grid)
        return nn.functional.interpolate(
            values, size=x.shape[2:], mode="bilinear", align_corners=False
        )


class PatchEmbedding(nn.Module):
    """One linear map of every patch."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, width, rows, columns) of patches."""
        patches: torch.Tensor = self.proj(x)
        return patches


class Block(nn.Module):
    """Attention between all tokens, then two layers on each of them."""

    def __init__(self, width: int, heads: int, *, scaled: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Perceptron(width)
        self.ls2 = LayerScale(width) if scaled else nn.Identity()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        out: torch.Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return out


class Attention(nn.Module):
    """Attention whose probabilities pass through a module of their own, where they can be read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(dim=-1)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        each = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = each.unbind(0)
        shares = self.softmax(queries @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5)
        out: torch.Tensor = self.proj((shares @ values).transpose(1, 2).flatten(2))
        return out


class Perceptron(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        out: torch.Tensor = self.fc2(self.act(self.fc1(tokens)))
        return out


class LayerScale(nn.Module):
    """A learnt scale per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        return tokens * self.gamma
