"""Members of one group, walked behind random coalitions of all others.

Pairs are antithetic and share one background row, as in
:mod:`~audits.explanations.shapley.permutation`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley.cycles import Totals, cycles_at_once, masks_per_step
from audits.explanations.shapley.hierarchy import Hierarchy, Ints, ranks_of

if TYPE_CHECKING:
    from audits.explanations.shapley.estimate import Stop
    from audits.explanations.shapley.games import Game, Values

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Walks through the children of one unit, behind a random coalition of all others.

    Attributes:
        game: The whole game.
        hierarchy: The nesting.
        depth: Level of the children in ``hierarchy.steps``.
        unit: The unit of the level above.
        scale: (rows, outputs) size of the largest effect, for the stopping rule.
    """

    game: Game
    hierarchy: Hierarchy
    depth: int
    unit: int
    scale: Floats

    def run(self, rule: Stop, seed: int) -> tuple[Totals, int]:
        """Return sums over cycles of the background, and the evaluations spent."""
        rng = np.random.default_rng(seed)
        players = np.flatnonzero(self.hierarchy.steps[self.depth - 1] == self.unit)
        names, child = np.unique(self.hierarchy.steps[self.depth][players], return_inverse=True)
        outputs = self.scale.shape[1]
        totals = Totals.empty((self.game.rows, len(names), outputs))
        active = np.arange(self.game.rows)
        target = np.maximum(
            rule.relative * self.scale, rule.absolute * self.game.at_background().std(axis=0)
        )
        started = time.monotonic()
        spent = 0
        while active.size:
            cost = 2 * (len(names) + 1) * self.game.backgrounds * len(active)
            count = cycles_at_once(int(totals.cycles[active[0]]), rule, cost)
            totals.add(active, self._cycles(count, active, players, child, rng))
            spent += count * cost
            done = totals.is_done(active, target, rule, time.monotonic() - started)
            active = active[~done]
        return totals, spent

    def _cycles(
        self, cycles: int, rows: Ints, players: Ints, child: Ints, rng: np.random.Generator
    ) -> Values:
        """Return the mean effects of some cycles, (cycles, rows, children, outputs)."""
        count, backgrounds = int(child.max()) + 1, self.game.backgrounds
        order = np.concatenate([rng.permutation(backgrounds) for _ in range(cycles)])
        pairs = max(1, masks_per_step(self.game.players, len(rows)) // (2 * (count + 1)))
        total = np.zeros((cycles, len(rows), count, self.scale.shape[1]))
        for start in range(0, len(order), pairs):
            used = order[start : start + pairs]
            ranks = self.hierarchy.orders(len(used), rng)
            cycle_of = np.arange(start, start + len(used)) // backgrounds
            np.add.at(total, cycle_of, self._pairs(rows, used, ranks, players, child))
        return total / backgrounds

    def _pairs(self, rows: Ints, used: Ints, ranks: Ints, players: Ints, child: Ints) -> Values:
        """Return effects of the children in every pair, (pairs, rows, children, outputs)."""
        inside = ranks[:, players]
        sizes = np.bincount(child)
        first = np.full((len(used), len(sizes)), self.game.players)
        for one in range(len(sizes)):
            first[:, one] = inside[:, child == one].min(axis=1)
        order = np.argsort(first, axis=1)
        edges = np.cumsum(sizes[order], axis=1)
        start = inside.min(axis=1, keepdims=True)
        edges = np.concatenate([start, start + edges], axis=1)
        prefix = ranks[:, None, :] < edges[:, :, None]
        masks = np.stack([prefix, ~prefix], axis=1).reshape(-1, self.game.players)
        values = self.game.hybrids(rows, np.repeat(used, 2 * edges.shape[1]), masks)
        both = values.reshape(len(rows), len(used), 2, edges.shape[1], -1)
        step = 0.5 * (np.diff(both[:, :, 0], axis=2) - np.diff(both[:, :, 1], axis=2))
        place = np.broadcast_to(ranks_of(order)[None, :, :, None], step.shape)
        return np.moveaxis(np.take_along_axis(step, place, axis=2), 1, 0)
