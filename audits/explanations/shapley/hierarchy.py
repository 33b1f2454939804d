"""Players in groups: which belong together, and orders in which groups are never torn apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """A nesting of players, coarsest level first.

    A fusion has the levels modality and then variable or region; a note has sections, then
    sentences, then tokens. The players themselves are the last level and are not repeated here.

    Attributes:
        levels: For each level the group of every player, (players,), numbered from 0. A group of
            one level lies inside one group of the level before.
    """

    levels: tuple[Ints, ...]

    def __post_init__(self) -> None:
        sizes = {len(level) for level in self.levels}
        if not self.levels or len(sizes) != 1 or sizes == {0}:
            raise ExplanationError(
                f"hierarchy: expected levels over the same players, found sizes {sorted(sizes)}; "
                "give every level the group of every player"
            )
        for depth, level in enumerate(self.levels):
            present = np.unique(level)
            if not np.array_equal(present, np.arange(len(present))):
                raise ExplanationError(
                    f"hierarchy: level {depth} numbers its groups {present.min()} to "
                    f"{present.max()} with gaps; number them from 0"
                )
            if depth and not _nested(self.levels[depth - 1], level):
                raise ExplanationError(
                    f"hierarchy: a group of level {depth} lies in two groups of level "
                    f"{depth - 1}; nest the levels"
                )

    @property
    def players(self) -> int:
        """Return the number of players."""
        return len(self.levels[0])

    @property
    def steps(self) -> tuple[Ints, ...]:
        """Return the levels with the players themselves as the last one."""
        return (*self.levels, np.arange(self.players))

    def orders(self, pairs: int, rng: np.random.Generator) -> Ints:
        """Return random orders that keep every group together, as ranks (pairs, players).

        Groups are shuffled, then the groups inside them, then the players (Owen, 1977).
        """
        keys = [
            rng.random((pairs, int(level.max()) + 1))[:, level] for level in reversed(self.steps)
        ]
        return ranks_of(np.lexsort(np.stack(keys), axis=-1))


def ranks_of(order: Ints) -> Ints:
    """Return the place of every player, (pairs, players), from who stands at every place."""
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return ranks


def _nested(outer: Ints, inner: Ints) -> bool:
    return len(np.unique(np.stack([outer, inner]), axis=1).T) == int(inner.max()) + 1
