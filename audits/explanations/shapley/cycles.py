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
NEVER = 1e-12
"""Share of a group's variance below which a player's contribution does not vary."""
NORMAL_95 = 1.959963984540054
MASK_CELLS_PER_STEP = 1 << 26
CYCLES_BEFORE_TIME_COUNTS = 3
HYBRIDS_AT_ONCE = 1 << 9
"""Hybrids between two looks at the clock, where cycles are short."""
BEYOND_THE_FEWEST = 10


def masks_per_step(players: int, rows: int) -> int:
    """Return how many masks are held at once, so that memory stays bounded for wide games."""
    return max(1, min(HYBRIDS_PER_STEP // max(rows, 1), MASK_CELLS_PER_STEP // max(players, 1)))


def cycles_at_once(done: int, rule: Stop, hybrids: int) -> int:
    """Return how many cycles to walk before the stopping rule is asked again.

    A cycle of one background row, as where text is removed, is a handful of hybrids: a model is
    asked about many such cycles in one call, up to the fewest that the rule wants, then about a
    tenth of those done.

    Args:
        done: Cycles walked.
        rule: When to stop.
        hybrids: Model evaluations of one cycle.
    """
    wanted = rule.min_cycles - done if done < rule.min_cycles else done // BEYOND_THE_FEWEST
    return max(1, min(wanted, rule.max_cycles - done, HYBRIDS_AT_ONCE // max(hybrids, 1)))


def few_cycles(count: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return by how much a standard error of so few cycles is widened, 1 for many.

    The ratio of Student's to the normal quantile, so that effect +- 1.96 standard errors holds
    the truth in 95 of 100 cases after three cycles as after forty (Student, Biometrika 6, 1908);
    NaN after one cycle, which has no spread.
    """
    from scipy.special import stdtrit

    freedom = np.where(count > 1, count - 1, np.nan)
    return np.asarray(stdtrit(freedom, 0.975) / NORMAL_95)


@dataclass(slots=True)
class Totals:
    """Sums over cycles, per row.

    Attributes:
        effect: (rows, players, outputs) sum of the cycles' effects.
        square: Sum of their squares.
        cross: Sum of their products with the sum over players of the same cycle.
        cycles: (rows,) cycles walked.
    """

    effect: npt.NDArray[np.float64]
    square: npt.NDArray[np.float64]
    cross: npt.NDArray[np.float64]
    cycles: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> Totals:
        """Return sums over nothing for (rows, players, outputs)."""
        return cls(
            effect=np.zeros(shape),
            square=np.zeros(shape),
            cross=np.zeros(shape),
            cycles=np.zeros(shape[0], dtype=np.int64),
        )

    def add(self, rows: Indices, effects: Values) -> None:
        """Add some cycles of some rows, (cycles, rows, players, outputs)."""
        self.effect[rows] += effects.sum(axis=0)
        self.square[rows] += (effects**2).sum(axis=0)
        self.cross[rows] += (effects * effects.sum(axis=2, keepdims=True)).sum(axis=0)
        self.cycles[rows] += len(effects)

    def mean(self) -> npt.NDArray[np.float64]:
        """Return the estimates."""
        return np.asarray(self.effect / self.cycles[:, None, None])

    def se(self) -> npt.NDArray[np.float64]:
        """Return standard errors from the spread of cycles, widened for few, NaN after one."""
        return self._error(self._spread())

    def adding_up_to(
        self, own: npt.NDArray[np.float64], own_error: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return estimates that add up to their group, and their standard errors.

        The gap is shared out equally among the players that vary at all: one whose contribution
        never does, such as a dummy, is known exactly and stays. Shares that followed the estimated
        variances would make the moved estimates look surer than they are. The error is that of the
        moved estimates: the spread of cycles after each of them was moved, and the group's own.

        Args:
            own: (rows, outputs) effect of the group.
            own_error: Its standard error.
        """
        mean, spread = self.mean(), self._spread()
        total = spread.sum(axis=1, keepdims=True)
        size = np.abs(mean)
        largest = size.sum(axis=1, keepdims=True)
        equal = np.full_like(size, 1.0 / size.shape[1])
        by_size = np.divide(size, largest, out=equal, where=largest > 0)
        varies = (spread > NEVER * total).astype(np.float64)
        sharing = varies.sum(axis=1, keepdims=True)
        share = np.divide(varies, sharing, out=by_size, where=sharing > 0)
        moved = mean + share * (own[:, None] - mean.sum(axis=1, keepdims=True))
        count = self.cycles[:, None, None]
        joint = self.cross / count - mean * mean.sum(axis=1, keepdims=True)
        whole = joint.sum(axis=1, keepdims=True)
        left = np.maximum(spread - 2 * share * joint + share**2 * whole, 0.0)
        error = np.nan_to_num(self._error(left))
        return moved, np.sqrt(error**2 + (share * np.nan_to_num(own_error)[:, None]) ** 2)

    def _spread(self) -> npt.NDArray[np.float64]:
        """Return the variance of cycles around their mean."""
        count = self.cycles[:, None, None]
        return np.maximum(self.square / count - self.mean() ** 2, 0.0)

    def _error(self, spread: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        count = self.cycles[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(spread / (count - 1)) * few_cycles(count))

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
