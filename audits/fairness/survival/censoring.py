"""Kaplan-Meier curves of events and of censoring, with the influence of each row.

Ties follow the usual order: an event at a time comes before a censoring at that time. So a case
seen to have its event at t was uncensored with probability P(C ≥ t).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A product-limit curve of one kind of end.

    Attributes:
        times: Distinct times of the rows, ascending, (k,).
        at: Index of each row's time, (n,).
        ended: Weight of the rows that ended this way at each time, (k,).
        at_risk: Weight of the rows at risk of it at each time, (k,).
        after: Curve just after each time, (k,).
        ends: Whether each row ended this way, (n,).
        exposed_at_own_time: Whether each row was at risk of it at its own time, (n,).
    """

    times: FloatArray
    at: IntArray
    ended: FloatArray
    at_risk: FloatArray
    after: FloatArray
    ends: BoolArray
    exposed_at_own_time: BoolArray

    def before(self, time: FloatArray) -> FloatArray:
        """Return the curve just before each time: P(end ≥ time)."""
        steps = np.concatenate(([1.0], self.after))
        return np.asarray(steps[np.searchsorted(self.times, time, side="left")])

    def by(self, time: float) -> float:
        """Return the curve just after a time: P(end > time)."""
        steps = np.concatenate(([1.0], self.after))
        return float(steps[np.searchsorted(self.times, time, side="right")])

    def influence_of_weights(self, load: FloatArray, until: FloatArray) -> FloatArray:
        """Return how each row moves Σ load / curve through the curve.

        Row j moves a sum Σ_i load_i, where load_i holds a factor 1/curve(u_i), by
        Σ_i load_i [1(j ends, T_j < u_i)/(Y - dN)(T_j) - Σ_{s < u_i, j at risk} dN/(Y (Y - dN))(s)],
        the exact derivative with respect to the row's weight, ties included.

        Args:
            load: What each row carries with the factor, (n,).
            until: u_i; ends strictly before it enter the factor, (n,).
        """
        k = len(self.times)
        place = np.searchsorted(self.times, until, side="left")  # times[:place] < until
        later = np.bincount(place, load, k + 1)
        behind = np.cumsum(later[::-1])[::-1][1:]  # Σ load with until > times[·]
        # Weighted sums leave dust where nobody stays.
        staying = self.at_risk - self.ended
        staying = np.where(staying > 1e-12 * self.at_risk, staying, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            per_end = np.where(staying > 0, behind / staying, 0.0)
            per_time = np.where(staying > 0, per_end * self.ended / self.at_risk, 0.0)
        passed = np.concatenate(([0.0], np.cumsum(per_time)))
        # A row that left before this kind of end was not at risk of it at its own time.
        last = self.at + self.exposed_at_own_time
        return np.asarray(self.ends * per_end[self.at] - passed[last])


def event_curve(time: FloatArray, event: BoolArray, weight: FloatArray) -> Curve:
    """Return the Kaplan-Meier curve of the event, each row counting by its weight."""
    return _curve(time, event, weight, event_first=None)


def censoring_curve(time: FloatArray, event: BoolArray, weight: FloatArray) -> Curve:
    """Return the Kaplan-Meier curve of censoring; events at a time leave before it."""
    return _curve(time, ~event, weight, event_first=event)


def _curve(
    time: FloatArray, ends: BoolArray, weight: FloatArray, *, event_first: BoolArray | None
) -> Curve:
    times, at = np.unique(time, return_inverse=True)
    at = at.reshape(-1)
    k = len(times)
    leaving = np.bincount(at, weight, k)
    at_risk = np.cumsum(leaving[::-1])[::-1].astype(np.float64)
    if event_first is not None:
        at_risk = at_risk - np.bincount(at, weight * event_first, k)
    ended = np.bincount(at, weight * ends, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(at_risk > 0, np.maximum(1 - ended / at_risk, 0.0), 1.0)
        step = np.where(step < 1e-12, 0.0, step)  # noqa: PLR2004 - dust of weighted sums
    exposed = np.ones(len(at), dtype=np.bool_) if event_first is None else ~event_first
    return Curve(
        times=times,
        at=at,
        ended=np.asarray(ended, dtype=np.float64),
        at_risk=at_risk,
        after=np.asarray(np.cumprod(step), dtype=np.float64),
        ends=ends,
        exposed_at_own_time=exposed,
    )
