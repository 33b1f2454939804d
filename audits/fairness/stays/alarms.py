"""From repeated scores to alarms, one row per stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.fairness.types import BoolArray, FloatArray, IntArray

PER_DAY = {"min": 1440.0, "h": 24.0, "d": 1.0}
"""Units of time in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """Repeated predictions and what they warn of.

    Attributes:
        stay: Stay of each prediction, codes; -1 where missing, (n,).
        at: Time of each prediction, (n,).
        event_at: Time of the stay's event, NaN where there was none, (n,).
        window: How long before the event an alarm is its warning.
        silence: How long an alarm silences later ones.
        unit: Unit of the times.
    """

    stay: IntArray
    at: FloatArray
    event_at: FloatArray
    window: float
    silence: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What was raised during each stay; every field (stays,).

    Attributes:
        first_row: Index of the stay's first prediction among the rows given.
        event: Whether its event followed a prediction by no more than the window.
        found: Whether an alarm warned of it.
        lead: Time from the first such alarm to the event, NaN where there was none.
        alarms: Alarms raised before the event, or at all.
        true_alarms: Those of them that lie in the window before an event.
        days: Days observed before the event, or at all.
        late: Predictions at or after the event, which are left out.
    """

    first_row: IntArray
    event: BoolArray
    found: BoolArray
    lead: FloatArray
    alarms: FloatArray
    true_alarms: FloatArray
    days: FloatArray
    late: FloatArray


def alarms_of(stays: Stays, called: BoolArray) -> Alarms:
    """Raise an alarm at every called prediction that no earlier alarm silences.

    Predictions at or after the event warn of nothing and are left out. A stay is observed from its
    first to its last prediction and for the usual time between two predictions after that.

    Args:
        stays: The predictions.
        called: Whether each one's score reaches the threshold, (n,).
    """
    usable = (stays.stay >= 0) & np.isfinite(stays.at)
    rows = np.flatnonzero(usable)
    order = rows[np.lexsort((stays.at[rows], stays.stay[rows]))]
    whose = np.unique(stays.stay[order], return_inverse=True)[1].reshape(-1)
    size = int(whose.max(initial=-1)) + 1
    at, event_at = stays.at[order], stays.event_at[order]
    before = ~(at >= event_at)
    raised = _heard(whose, at, called[order] & before, stays.silence)
    warned = before & (event_at - at <= stays.window)
    hit = raised & warned
    first = np.unique(whose, return_index=True)[1]
    lead = np.full(size, np.nan)
    at_hit = np.flatnonzero(hit)[::-1]
    lead[whose[at_hit]] = event_at[at_hit] - at[at_hit]
    found = np.bincount(whose, hit, size) > 0
    return Alarms(
        first_row=order[first],
        event=np.bincount(whose, warned, size) > 0,
        found=found,
        lead=lead,
        alarms=_summed(whose, raised, size),
        true_alarms=_summed(whose, hit, size),
        days=_observed(whose, at, before, size) / PER_DAY[stays.unit],
        late=_summed(whose, ~before, size),
    )


def _summed(whose: IntArray, flags: BoolArray, size: int) -> FloatArray:
    return np.asarray(np.bincount(whose, flags, size), dtype=np.float64)


def _heard(whose: IntArray, at: FloatArray, called: BoolArray, silence: float) -> BoolArray:
    """Return the calls that are not silenced by an earlier alarm of the same stay."""
    heard = called.copy()
    if silence <= 0:
        return heard
    last_stay, last_time = -1, -np.inf
    for row in np.flatnonzero(called).tolist():
        if whose[row] == last_stay and at[row] - last_time < silence:
            heard[row] = False
        else:
            last_stay, last_time = whose[row], at[row]
    return heard


def _observed(whose: IntArray, at: FloatArray, before: BoolArray, size: int) -> FloatArray:
    """Return the time that each stay was watched; NaN where no stay has two predictions."""
    who, when = whose[before], at[before]
    same = who[1:] == who[:-1]
    gaps = np.diff(when)[same]
    step = float(np.median(gaps)) if len(gaps) else np.nan
    watched = np.bincount(who[1:][same], gaps, size)
    return np.where(np.bincount(who, minlength=size) > 0, watched + step, 0.0)
