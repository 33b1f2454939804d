"""Average precision of every group. Shown with its prevalence, never compared between groups."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from audits.fairness.cells import ScoreCells
from audits.fairness.frame import Frame
from audits.fairness.intervals import logit_limits
from audits.fairness.means import Linear
from audits.fairness.types import FloatArray
from audits.types import Estimate

METHOD = "influence function on the logit scale"


def average_precision(cells: ScoreCells) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return average precision (as scikit-learn defines it), and each row's influence by cell.

    The influence of a row is its own precision plus its effect on the precision at every lower
    score, which one cumulated sum over the group's cells gives; first of positives, then of
    negatives.
    """
    positives, negatives = cells.positives.astype(float), cells.negatives.astype(float)
    true = (positives[cells.group] - cells.pos_below).astype(np.float64)
    false = (negatives[cells.group] - cells.neg_below).astype(np.float64)
    called = np.maximum(true + false, 1)
    precision = true / called
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(positives > 0, cells.sum_cells(cells.pos * precision) / positives, np.nan)
    gain = _through(cells, cells.pos * false / called**2)
    loss = _through(cells, cells.pos * true / called**2)
    scale = positives[cells.group]
    with np.errstate(divide="ignore", invalid="ignore"):
        return value, (precision - value[cells.group] + gain) / scale, -loss / scale


def auprc_estimates(
    frame: Frame, measured: Linear, cells: ScoreCells, *, level: float = 0.95
) -> list[Estimate]:
    """Return average precision with a clustered interval on the logit scale.

    Args:
        frame: The rows, for what is known of patients.
        measured: Average precision and the error its influence implies.
        cells: Counts of every group by score.
        level: Confidence level.
    """
    value = measured.value
    positives, negatives = cells.positives.astype(float), cells.negatives.astype(float)
    events = np.maximum(np.minimum(measured.df, positives - 1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = measured.se / (value * (1 - value))
        low, high = logit_limits(value, se, stdtrit(events, (1 + level) / 2))
    out = []
    for index, area in enumerate(value.tolist()):
        pos, neg = int(positives[index]), int(negatives[index])
        who = int(measured.patients[index]) if frame.named_patients else None
        if pos == 0 or neg == 0:
            missing = "no cases" if pos + neg == 0 else f"no {'negatives' if pos else 'positives'}"
            out.append(Estimate.undefined(missing, n=pos + neg, n_patients=who, method=METHOD))
            continue
        usable = np.isfinite(se[index]) and se[index] > 0 and low[index] < high[index]
        out.append(
            Estimate(
                value=area,
                low=float(low[index]) if usable else None,
                high=float(high[index]) if usable else None,
                level=level,
                n=pos + neg,
                n_patients=who,
                deff=float(measured.deff[index]),
                method=METHOD,
                reason=None if usable else "no interval: the ranking is perfect or too small",
            )
        )
    return out


def _through(cells: ScoreCells, values: FloatArray) -> FloatArray:
    """Return the sum over the group's cells of the same or a lower score."""
    running = np.cumsum(values)
    first = np.flatnonzero(np.diff(cells.group, prepend=-1))
    before = np.zeros(cells.size)
    before[cells.group[first]] = running[first] - values[first]
    return running - before[cells.group]
