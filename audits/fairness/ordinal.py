"""Agreement of ordered grades: quadratic weighted kappa, with the influence of each case."""

from __future__ import annotations

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import IntArray
from audits.fairness.weighted.mass import kish_size, weights_of


def kappa_of(frame: Frame, rows: IntArray) -> Point:
    """Return Cohen's kappa with quadratic weights of some rows.

    With squared distances between grades as weights, chance disagreement has the closed form
    E = Var(ŷ) + Var(y) + (mean ŷ - mean y)², so kappa = 1 - mean (ŷ - y)² / E (Fleiss and Cohen,
    Educ Psychol Meas 1973).

    Args:
        frame: The rows with their weights; label and score are grades.
        rows: Which of them.
    """
    if len(rows) == 0:
        return undefined(rows, "no cases")
    given, true = frame.score[rows], frame.y[rows]
    if (given == given[0]).all() and (true == given[0]).all():
        return undefined(rows, "every label and score is the same grade")
    weight = weights_of(frame)[rows]
    share = weight / weight.sum()
    ours, theirs = given - share @ given, true - share @ true
    shift = float(share @ given - share @ true)
    spread = float(share @ ours**2 + share @ theirs**2)
    squared = (given - true) ** 2
    seen, chance = float(share @ squared), spread + shift**2
    moved = ours**2 + theirs**2 + 2 * shift * (ours - theirs) - spread
    influence = share * (seen / chance * moved - (squared - seen)) / chance
    return Point(value=1 - seen / chance, influence=influence, fewest=kish_size(weight))
