"""AUC, Brier score and observed over expected events at a horizon, corrected for censoring.

Weights are the inverse Kaplan-Meier probability, within the rows at hand, of not being censored:
at the event's time for cases with an event by the horizon, at the horizon for those still
followed (Graf et al., Stat Med 1999; Uno et al., JASA 2007; Hung and Chiang 2010). Every
influence includes that of the censoring curve.
"""

from __future__ import annotations

import numpy as np

from audits.fairness.statistics.point import Point, undefined
from audits.fairness.survival.censoring import censoring_curve, event_curve
from audits.fairness.survival.pairs import levels_of
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.fairness.weighted.mass import kish_size

NOT_FOLLOWED = "nobody is followed to the horizon"
NO_EVENT = "no events by the horizon"


def auc_at(
    time: FloatArray,
    event: BoolArray,
    score: FloatArray | IntArray,
    rows: IntArray,
    *,
    horizon: float,
    weight: FloatArray | None = None,
) -> Point:
    """Return the cumulative/dynamic AUC: events by the horizon against those followed past it.

    ``score`` may be ranks of the scores as whole numbers.
    """
    case, control = event & (time <= horizon), time > horizon
    if not case.any():
        return undefined(rows, NO_EVENT)
    if not control.any():
        return undefined(rows, NOT_FOLLOWED)
    given = _given(weight, time)
    curve = censoring_curve(time, event, given)
    cases = np.where(case, given / np.where(case, curve.before(time), 1.0), 0.0)
    controls = np.where(control, given, 0.0)
    mass, others = float(cases.sum()), float(controls.sum())
    level = levels_of(score)
    above = _placed(level, controls) / others
    below = 1 - _placed(level, cases) / mass
    value = float(cases @ above) / mass
    load = cases * (above - value) / mass
    influence = load + controls * (below - value) / others
    influence += given * curve.influence_of_weights(load, time)
    fewest = min(kish_size(given[case]), kish_size(given[control]))
    return Point(value=value, influence=influence, fewest=fewest)


def _placed(level: IntArray, weight: FloatArray) -> FloatArray:
    """Return the weight of the rows below each row's level; those of the same level count half."""
    held = np.bincount(level, weight)
    return np.asarray((np.cumsum(held) - held / 2)[level])


def brier_at(
    time: FloatArray,
    event: BoolArray,
    risk: FloatArray,
    rows: IntArray,
    *,
    horizon: float,
    weight: FloatArray | None = None,
) -> Point:
    """Return the Brier score of predicted risks of the event by the horizon."""
    n = len(time)
    if n == 0:
        return undefined(rows, "no cases")
    if not (time > horizon).any():
        return undefined(rows, NOT_FOLLOWED)
    case, control = event & (time <= horizon), time > horizon
    given = _given(weight, time)
    curve = censoring_curve(time, event, given)
    # Everybody still followed weighs 1/P(C > horizon): until is just after the horizon.
    until = np.where(control, np.nextafter(horizon, np.inf), time)
    free = np.where(control, curve.by(horizon), curve.before(time))
    share = given / given.sum()
    load = np.where(case | control, share / np.where(case | control, free, 1.0), 0.0)
    load = load * (case - risk) ** 2
    value = float(load.sum())
    influence = load - value * share + given * curve.influence_of_weights(load, until)
    return Point(value=value, influence=influence, fewest=kish_size(given))


def observed_expected_at(
    time: FloatArray,
    event: BoolArray,
    risk: FloatArray,
    rows: IntArray,
    *,
    horizon: float,
    weight: FloatArray | None = None,
) -> Point:
    """Return the Kaplan-Meier risk by the horizon over the mean predicted risk."""
    n = len(time)
    if n == 0:
        return undefined(rows, "no cases")
    if not (time >= horizon).any():
        return undefined(rows, NOT_FOLLOWED)
    events = int((event & (time <= horizon)).sum())
    given = _given(weight, time)
    share = given / given.sum()
    expected = float(share @ risk)
    if events == 0:
        return undefined(rows, NO_EVENT)
    if expected == 0:
        return undefined(rows, "no expected events")
    curve = event_curve(time, event, given)
    surviving = curve.by(horizon)
    observed = 1 - surviving
    # With S = 1/(1/S): the influence on 1/S, times -S², is that on S; observed moves against it.
    only = np.zeros(n)
    only[0] = 1.0
    moved = (
        surviving
        * given
        * curve.influence_of_weights(only, np.full(n, np.nextafter(horizon, np.inf)))
    )
    value = observed / expected
    influence = moved / expected - value * share * (risk - expected) / expected
    fewest = kish_size(given[event & (time <= horizon)])
    return Point(value=value, influence=influence, fewest=fewest)


def _given(weight: FloatArray | None, time: FloatArray) -> FloatArray:
    """Return the weight of each row, 1 where none is given."""
    return np.ones(len(time)) if weight is None else weight
