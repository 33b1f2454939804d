"""Sums over whole cycles of the background, their standard errors, and when enough is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from audits.explanations.shapley.estimate import Stop
    from audits.explanations.shapley.games import Indices, Values

HYBRIDS_PER_STEP = 1 << 15
MASK_CELLS_PER_STEP = 1 << 26
CYCLES_BEFORE_TIME_COUNTS = 2


def masks_per_step(players: int, rows: int) -> int:
    """Return how many masks are held at once, so that memory stays bounded for wide games."""
    return max(1, min(HYBRIDS_PER_STEP // max(rows, 1), MASK_CELLS_PER_STEP // max(players, 1)))


@dataclass(slots=True)
class Totals:
    """Sums over cycles, per row.

    Attributes:
        effect: (rows, players, outputs) sum of the cycles' effects.
        square: Sum of their squares.
        cycles: (rows,) cycles walked.
    """

    effect: npt.NDArray[np.float64]
    square: npt.NDArray[np.float64]
    cycles: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> Totals:
        """Return sums over nothing for (rows, players, outputs)."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape[0], dtype=np.int64))

    def add(self, rows: Indices, effects: Values) -> None:
        """Add one cycle of some rows."""
        self.effect[rows] += effects
        self.square[rows] += effects**2
        self.cycles[rows] += 1

    def mean(self) -> npt.NDArray[np.float64]:
        """Return the estimates."""
        return np.asarray(self.effect / self.cycles[:, None, None])

    def se(self) -> npt.NDArray[np.float64]:
        """Return standard errors from the spread of cycles, NaN after one."""
        count = self.cycles[:, None, None]
        spread = np.maximum(self.square / count - self.mean() ** 2, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(count > 1, np.sqrt(spread / (count - 1)), np.nan)

    def is_done(
        self, rows: Indices, target: npt.NDArray[np.float64], rule: Stop, elapsed: float
    ) -> npt.NDArray[np.bool_]:
        """Return which rows need no further cycle.

        Args:
            rows: Rows still walked; all have the same number of cycles.
            target: (all rows, outputs) standard error that is small enough.
            rule: Fewest and most cycles, and the time budget.
            elapsed: Seconds since the walk began.
        """
        cycles = self.cycles[rows]
        late = elapsed > rule.seconds and cycles[0] >= CYCLES_BEFORE_TIME_COUNTS
        if cycles[0] >= rule.max_cycles or late:
            return np.ones(len(rows), dtype=bool)
        if cycles[0] < max(rule.min_cycles, 2):
            return np.zeros(len(rows), dtype=bool)
        return np.asarray((self.se()[rows].max(axis=1) <= target[rows]).all(axis=1))
