"""A small text classifier of our own: words with their neighbours, pooled over the text."""

from __future__ import annotations

import torch
from torch import nn


class TextClassifier(nn.Module):
    """Embeddings, one convolution over neighbouring words, the mean and the maximum over the text.

    After Kim (2014), with padding masked out, so that a text's length does not matter and an
    empty text has an answer of its own.

    Args:
        vocabulary: Numbers a token may have, padding, unknown word and buckets included.
        width: Size of an embedding.
        filters: Filters of the convolution.
        span: Words a filter sees; odd.
        outputs: Logits or values returned.
    """

    def __init__(
        self, *, vocabulary: int, outputs: int, width: int = 24, filters: int = 24, span: int = 3
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.convolution = nn.Conv1d(width, filters, span, padding=span // 2)
        self.head = nn.Linear(2 * filters, outputs)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return mean and maximum of the filters, (n, 2 * filters)."""
        longest = max(1, int((ids != 0).sum(dim=1).max())) if len(ids) else 1
        ids = ids[:, :longest]
        here = (ids != 0).unsqueeze(1)
        seen = torch.relu(self.convolution(self.embedding(ids).transpose(1, 2))) * here
        mean = seen.sum(dim=2) / here.sum(dim=2).clamp(min=1)
        return torch.cat([mean, seen.amax(dim=2)], dim=1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (n, outputs) of (n, tokens), padding (0) last."""
        out: torch.Tensor = self.head(self.embed(ids))
        return out
