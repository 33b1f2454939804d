"""Per-case measurements of segmentations as statistics: Dice overlap, 95 % boundary distance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.fairness.weighted.mass import kish_size

BOUNDS: Mapping[str, tuple[float, float]] = {"dice": (0.0, 1.0), "hd95": (0.0, np.inf)}
"""Metrics of a segmentation and the values they can take; hd95 is in millimetres."""
WHY_UNDEFINED: Mapping[str, str] = {
    "dice": "neither a true nor a drawn region",
    "hd95": "no true or no drawn region",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMeasures:
    """What was measured of each case.

    Attributes:
        values: Metric -> one value per case, NaN where it is undefined, (n,).
        reasons: Metric -> why values may be undefined, where that is not what it usually is.
    """

    values: Mapping[str, FloatArray]
    reasons: Mapping[str, str]

    @property
    def usable(self) -> BoolArray:
        """Return the rows with any measurement, (n,)."""
        return np.asarray(np.any([np.isfinite(v) for v in self.values.values()], axis=0))

    def take(self, keep: BoolArray) -> CaseMeasures:
        """Return the same of some rows."""
        return CaseMeasures(
            values={name: values[keep] for name, values in self.values.items()},
            reasons=self.reasons,
        )


def measure_statistics(measures: CaseMeasures, weight: FloatArray) -> tuple[Statistic, ...]:
    """Return the mean over cases of every measurement, each case counting by its weight (n,).

    An overlap of nothing with nothing is undefined, not 1, and a distance from or to nothing is
    undefined, not infinite: such cases are left out of that mean, and counted in its reason.
    """
    return tuple(
        Statistic(
            metric=metric,
            of=_mean(values, weight, measures.reasons.get(metric, WHY_UNDEFINED[metric])),
            bounds=BOUNDS[metric],
        )
        for metric, values in measures.values.items()
    )


def _mean(values: FloatArray, weight: FloatArray, why: str) -> Callable[[IntArray], Point]:
    def of(rows: IntArray) -> Point:
        known = np.isfinite(values[rows])
        n = int(known.sum())
        left_out = len(rows) - n
        if n == 0:
            return undefined(rows, f"{why} in any case" if left_out else "no cases")
        mass = np.where(known, weight[rows], 0.0)
        share, held = mass / mass.sum(), np.where(known, values[rows], 0.0)
        mean = float(share @ held)
        influence = share * (held - mean)
        reason = f"{left_out} cases left out: {why}" if left_out else None
        return Point(value=mean, influence=influence, fewest=kish_size(mass), reason=reason, n=n)

    return of
