"""Lay a token model's tokens out as the grid of patches they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from audits.errors import ExplanationError

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter

TOKEN_AXES = 3


class DeclaredTokens(Protocol):
    """``[architecture] tokens`` of a manifest."""

    @property
    def layer(self) -> str:
        """Return the module whose output holds the tokens."""
        ...

    @property
    def prefix(self) -> int:
        """Return how many tokens come before the patches (class token, registers)."""
        ...

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the patches per axis."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrid:
    """Where the patches are among the tokens.

    Attributes:
        prefix: Tokens before the patches.
        grid: Patches per axis, in row-major order.
    """

    prefix: int
    grid: tuple[int, ...]

    @property
    def count(self) -> int:
        """Return how many tokens there are, prefix included."""
        return self.prefix + math.prod(self.grid)

    def lay_out(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (n, channels, *grid) of (n, tokens, channels).

        Raises:
            ExplanationError: If there are not as many tokens as declared.
        """
        wanted = self.count
        if tokens.ndim != TOKEN_AXES or tokens.shape[1] != wanted:
            raise ExplanationError(
                f"architecture.tokens: expected {wanted} tokens (prefix {self.prefix} and grid "
                f"{'x'.join(map(str, self.grid))}), found shape {tuple(tokens.shape)}; "
                "correct prefix, grid or layer"
            )
        patches = tokens[:, self.prefix :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *self.grid)


def declared_tokens(adapter: ModelAdapter) -> DeclaredTokens | None:
    """Return the token grid that a model declares, or None."""
    ask = getattr(adapter, "tokens", None)
    found: DeclaredTokens | None = ask() if callable(ask) else None
    return found


def window_of(tokens: DeclaredTokens) -> tuple[int, ...]:
    """Return the window per axis of a model with windowed attention; () of any other."""
    return tuple(getattr(tokens, "window", ()))
