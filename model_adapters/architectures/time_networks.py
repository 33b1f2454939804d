"""Small networks over sequences of our own: recurrent ones and a transformer.

They take what :func:`~model_adapters.preprocessing.sequence.encode_sequences` gives, (n, steps,
width), and return (n, outputs). Plain PyTorch modules: whoever trains one loads its tensors here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_WAVE = 1e3


class Recurrent(nn.Module):
    """A GRU or an LSTM that reads all steps; the last hidden state gives the outputs.

    Args:
        cell: Which recurrent layer.
        inputs: Numbers of each step.
        hidden: Size of the hidden state.
        layers: Recurrent layers.
        outputs: Logits or values returned.
    """

    def __init__(
        self,
        cell: Callable[..., nn.RNNBase],
        *,
        inputs: int,
        hidden: int,
        layers: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.rnn = cell(inputs, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def embed(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return the last hidden state, (n, hidden)."""
        states, _ = self.rnn(sequence)
        last: torch.Tensor = states[:, -1]
        return last

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return (n, outputs) of (n, steps, inputs)."""
        out: torch.Tensor = self.head(self.embed(sequence))
        return out


class TimeTransformer(nn.Module):
    """Attention over the steps in which anything was measured, placed by their hour.

    Steps without a measurement are masked out, and the hour of a step's latest measurement is
    encoded as sines and cosines, so that the distance between two steps is their distance in
    time. A learnt first token collects what is read; alone, it answers for a case without any
    measurement. Needs the channels value, measured, since and hour.

    Args:
        variables: Variables of the sequence.
        width: Size of a token; even, a multiple of ``heads``.
        heads: Attention heads.
        layers: Encoder layers.
        outputs: Logits or values returned.
    """

    def __init__(
        self, *, variables: int, width: int, heads: int, layers: int, outputs: int
    ) -> None:
        super().__init__()
        self.variables = variables
        self.embedding = nn.Linear(3 * variables, width)
        self.first = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        waves = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST_WAVE) / width))
        self.register_buffer("waves", waves * _LONGEST_WAVE, persistent=False)

    def embed(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return the first token after attention, (n, width)."""
        content, hour = sequence[..., :-1], sequence[..., -1:]
        measured = content[..., self.variables : 2 * self.variables]
        waves: torch.Tensor = self.get_buffer("waves")
        phase = hour * waves
        place = torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(-2)
        tokens = self.embedding(content) + place
        first = self.first.expand(len(tokens), 1, -1)
        absent = ~(measured > 0).any(dim=-1)
        never = torch.zeros(len(tokens), 1, dtype=torch.bool, device=tokens.device)
        mixed = self.encoder(
            torch.cat([first, tokens], dim=1),
            src_key_padding_mask=torch.cat([never, absent], dim=1),
        )
        collected: torch.Tensor = self.norm(mixed[:, 0])
        return collected

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return (n, outputs) of (n, steps, 3 * variables + 1)."""
        out: torch.Tensor = self.head(self.embed(sequence))
        return out


def gru(*, inputs: int, hidden: int, outputs: int, layers: int = 1) -> nn.Module:
    """Return a GRU (Cho et al. 2014) with a linear head."""
    return Recurrent(nn.GRU, inputs=inputs, hidden=hidden, layers=layers, outputs=outputs)


def lstm(*, inputs: int, hidden: int, outputs: int, layers: int = 1) -> nn.Module:
    """Return an LSTM (Hochreiter and Schmidhuber 1997) with a linear head."""
    return Recurrent(nn.LSTM, inputs=inputs, hidden=hidden, layers=layers, outputs=outputs)


def time_transformer(
    *, variables: int, width: int, outputs: int, heads: int = 2, layers: int = 1
) -> nn.Module:
    """Return a transformer encoder (Vaswani et al. 2017) over irregular steps."""
    return TimeTransformer(
        variables=variables, width=width, heads=heads, layers=layers, outputs=outputs
    )
