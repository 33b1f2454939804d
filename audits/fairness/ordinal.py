"""Agreement of ordered grades: quadratic weighted kappa, with the influence of each case."""

from __future__ import annotations

from audits.fairness.frame import Frame
from audits.fairness.statistics.point import Point, undefined
from audits.fairness.types import IntArray


def kappa_of(frame: Frame, rows: IntArray) -> Point:
    """Return Cohen's kappa with quadratic weights of some rows.

    With squared distances between grades as weights, chance disagreement has the closed form
    E = Var(ŷ) + Var(y) + (mean ŷ - mean y)², so kappa = 1 - mean (ŷ - y)² / E (Fleiss and Cohen,
    Educ Psychol Meas 1973).

    Args:
        frame: The rows; label and score are grades.
        rows: Which of them.
    """
    n = len(rows)
    if n == 0:
        return undefined(rows, "no cases")
    given, true = frame.score[rows], frame.y[rows]
    shift = float(given.mean() - true.mean())
    ours, theirs = given - given.mean(), true - true.mean()
    spread = float(ours @ ours + theirs @ theirs) / n
    squared = (given - true) ** 2
    seen, chance = float(squared.mean()), spread + shift**2
    if chance == 0:
        return undefined(rows, "every label and score is the same grade")
    moved = ours**2 + theirs**2 + 2 * shift * (ours - theirs) - spread
    influence = (seen / chance * moved - (squared - seen)) / (chance * n)
    return Point(value=1 - seen / chance, influence=influence, fewest=n)
