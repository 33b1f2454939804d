"""Games made of other games: groups of players that play as one."""

from __future__ import annotations

import dataclasses

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
