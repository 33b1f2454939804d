"""Times, events and the horizon that a survival output is judged at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalOutcome:
    """What was seen of each row, beside its event indicator.

    Attributes:
        time: Time to the event or to the end of follow-up, positive, (n,).
        horizon: Time that risks are judged at, in the unit of ``time``; None where none is
            declared and nothing stands in.
        unit: Unit of the times, or None.
        probabilities: Whether a score is the probability of the event by the horizon; otherwise
            a higher score only means an earlier event.
    """

    time: FloatArray
    horizon: float | None
    unit: str | None = None
    probabilities: bool = False

    @property
    def usable(self) -> BoolArray:
        """Return the rows with a time, (n,)."""
        return np.asarray(np.isfinite(self.time) & (self.time >= 0))

    def take(self, keep: BoolArray) -> SurvivalOutcome:
        """Return the same of some rows."""
        return SurvivalOutcome(
            time=self.time[keep],
            horizon=self.horizon,
            unit=self.unit,
            probabilities=self.probabilities,
        )
