"""A statistic: a number of a set of rows, and how far each row moves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audits.fairness.types import FloatArray, IntArray

Scale = Literal["plain", "log", "logit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A number of some rows.

    Attributes:
        value: The number; NaN where it is undefined.
        influence: First-order effect of each row on it, summing to about 0, (rows,).
        fewest: Cases of the scarcer side; its t interval has one degree of freedom less.
        reason: Why it is undefined, or a warning to carry.
        counts: Numerator and denominator of a proportion, unweighted, or None.
        n: Rows behind it; None where every row given is.
        effective: Effective denominator of a proportion, or None.
    """

    value: float
    influence: FloatArray
    fewest: float
    reason: str | None = None
    counts: tuple[int, int] | None = None
    n: int | None = None
    effective: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A metric of any set of rows.

    Attributes:
        metric: METRIC of the contract.
        of: Indices of rows -> the number.
        scale: Scale on which its sampling error is symmetric and on which it is tested.
        bounds: Smallest and largest possible value.
        what: What ``Point.fewest`` counts, in words.
        per_class: Whether the scarcer side has to reach ``min_effective_per_class``.
    """

    metric: str
    of: Callable[[IntArray], Point]
    scale: Scale = "plain"
    bounds: tuple[float, float] = (-np.inf, np.inf)
    what: str = "cases"
    per_class: bool = False


def undefined(rows: IntArray, reason: str) -> Point:
    """Return the point of rows that have none, saying why."""
    return Point(value=np.nan, influence=np.zeros(len(rows)), fewest=0.0, reason=reason)
