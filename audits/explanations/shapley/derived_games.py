"""Games made of other games: groups as players, and players that only a function can mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from audits.explanations.shapley.games import Game, Indices, Masks, Values


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnitGame:
    """The quotient game: groups of another game's players play as one.

    Attributes:
        game: The game of the members.
        unit_of: (members,) group of every member, numbered from 0.
    """

    game: Game
    unit_of: Indices

    @property
    def players(self) -> int:
        """Return the number of groups."""
        return int(self.unit_of.max()) + 1

    @property
    def rows(self) -> int:
        """Return the number of explained cases."""
        return self.game.rows

    @property
    def backgrounds(self) -> int:
        """Return the number of background rows."""
        return self.game.backgrounds

    def at_rows(self) -> Values:
        """Return f of the cases, (rows, outputs)."""
        return self.game.at_rows()

    def at_background(self) -> Values:
        """Return f of the background, (backgrounds, outputs)."""
        return self.game.at_background()

    def hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        """Return f of every case with every mask of groups, (rows, masks, outputs)."""
        return self.game.hybrids(rows, background, masks[:, self.unit_of])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MaskedGame:
    """A game whose masking is no exchange of cells, such as leaving sentences out of a note.

    Attributes:
        players: Number of players.
        value: Maps masks (m, players), True where a player stays, and their background rows (m,)
            to f, (m, outputs). With one background row the second argument is all zeros.
        backgrounds: Number of background rows that fill what is left out; 1 for removal.
    """

    players: int
    value: Callable[[Masks, Indices], Values]
    backgrounds: int = 1

    @property
    def rows(self) -> int:
        """Return 1: one case is explained at a time."""
        return 1

    def at_rows(self) -> Values:
        """Return f of the whole case, (1, outputs)."""
        return self.value(np.ones((1, self.players), dtype=bool), np.zeros(1, dtype=np.int64))

    def at_background(self) -> Values:
        """Return f with nobody left, (backgrounds, outputs)."""
        return self.value(
            np.zeros((self.backgrounds, self.players), dtype=bool), np.arange(self.backgrounds)
        )

    def hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:  # noqa: ARG002 - there is only one case
        """Return f of every mask, (1, masks, outputs)."""
        return self.value(masks, background)[None]
