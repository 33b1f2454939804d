"""Event-level numbers of any set of stays, with the influence of each stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audits.fairness.intervals import wilson
from audits.fairness.rates import Z95
from audits.fairness.statistics.point import Point, Statistic, undefined
from audits.fairness.stays.alarms import Alarms
from audits.fairness.types import BoolArray, FloatArray, IntArray


def stay_statistics(alarms: Alarms) -> tuple[Statistic, ...]:
    """Return event sensitivity, alarms and false alarms per day, alarm PPV and mean lead time."""
    false = alarms.alarms - alarms.true_alarms
    return (
        Statistic(
            metric="event_sensitivity",
            of=_share(alarms.found, alarms.event, "events"),
            scale="logit",
            bounds=(0.0, 1.0),
            what="events",
        ),
        Statistic(
            metric="alarm_ppv",
            of=_ratio(alarms.true_alarms, alarms.alarms, "alarms"),
            scale="logit",
            bounds=(0.0, 1.0),
            what="alarms",
        ),
        Statistic(
            metric="alarms_per_day",
            of=_ratio(alarms.alarms, alarms.days, "observed days"),
            scale="log",
            bounds=(0.0, np.inf),
            what="alarms",
        ),
        Statistic(
            metric="false_alarms_per_day",
            of=_ratio(false, alarms.days, "observed days"),
            scale="log",
            bounds=(0.0, np.inf),
            what="alarms",
        ),
        Statistic(
            metric="lead_time", of=_mean_lead(alarms.lead), bounds=(0.0, np.inf), what="events"
        ),
    )


def _share(hit: BoolArray, base: BoolArray, what: str) -> Callable[[IntArray], Point]:
    """Return k of n stays; at 0 or 1 of it the influence is nothing, so Wilson serves."""

    def of(rows: IntArray) -> Point:
        used = base[rows]
        n, k = int(used.sum()), int((hit[rows] & used).sum())
        if n == 0:
            return undefined(rows, f"no {what}")
        influence = np.where(used, hit[rows] - k / n, 0.0) / n
        edge = float(n) if k in (0, n) else None
        return Point(value=k / n, influence=influence, fewest=n, counts=(k, n), n=n, effective=edge)

    return of


def _ratio(top: FloatArray, bottom: FloatArray, what: str) -> Callable[[IntArray], Point]:
    def of(rows: IntArray) -> Point:
        total = float(bottom[rows].sum()) if len(rows) else 0.0
        if not np.isfinite(total):
            return undefined(rows, "no stay has two predictions, so no time between them is known")
        if total <= 0:
            return undefined(rows, f"no {what}")
        value = float(top[rows].sum()) / total
        influence = (top[rows] - value * bottom[rows]) / total
        return Point(value=value, influence=influence, fewest=float((bottom[rows] > 0).sum()))

    return of


def _mean_lead(lead: FloatArray) -> Callable[[IntArray], Point]:
    def of(rows: IntArray) -> Point:
        known = np.isfinite(lead[rows])
        n = int(known.sum())
        if n == 0:
            return undefined(rows, "no event was warned of")
        times = np.where(known, lead[rows], 0.0)
        mean = float(times.sum()) / n
        return Point(value=mean, influence=np.where(known, times - mean, 0.0) / n, fewest=n, n=n)

    return of


def median_limits(times: FloatArray) -> tuple[float, float, float] | None:
    """Return the median and its limits from order statistics (Woodruff 1952); None of no time."""
    ordered = np.sort(times[np.isfinite(times)])
    n = len(ordered)
    if n == 0:
        return None
    low, high = (float(limit) for limit in wilson(0.5, n, Z95))
    ends = ordered[int(np.floor(low * (n - 1)))], ordered[int(np.ceil(high * (n - 1)))]
    return float(np.median(ordered)), float(ends[0]), float(ends[1])
