"""Label-choice bias: at the same score, who carries more of what the score should have meant?

Obermeyer et al. 2019 (Science 366:447): a score that predicted cost well ranked Black patients
below equally ill others, because less was spent on them. The test is the mean of a second label
at equal score percentile, by group, and who fills the top of the list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audits.fairness.causes.influence import METHOD, estimate, mean_over, patients_in
from audits.fairness.causes.rows import Pair, Rows, pairs_of
from audits.fairness.causes.standardised import balance
from audits.fairness.intervals import wilson
from audits.fairness.rates import Z95
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.types import Estimate

STARTS = (1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 97)
TOP = 97
_FINE = 20


def score_percentile(score: FloatArray) -> IntArray:
    """Return the percentile of each score, 1 to 100: the share of rows with no higher score.

    Equal scores share a percentile.

    Example:
        >>> score_percentile(np.asarray([0.1, 0.2, 0.3, 0.4])).tolist()
        [25, 50, 75, 100]
    """
    upto = np.searchsorted(np.sort(score), score, side="right")
    return np.asarray(-(-100 * upto // max(len(score), 1)), dtype=np.int64)


def label_choice(rows: Rows, name: str, need: FloatArray) -> dict[str, Any]:
    """Return the second label by score percentile and group, and who is in the top 3 %.

    Args:
        rows: The rows.
        name: What the second label is called.
        need: The second label on the usable rows, NaN where missing, (n,).
    """
    known = np.isfinite(need)
    values = np.where(known, need, 0.0)
    percentile = score_percentile(rows.score)
    bins = np.searchsorted(np.asarray(STARTS), percentile, side="right") - 1
    ends = [*(start - 1 for start in STARTS[1:]), 100]
    curves: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    top: list[dict[str, Any]] = []
    for split in rows.splits:
        for code in split.occupied:
            mask = (split.codes == code) & known
            curves += [
                {
                    "attributes": {split.name: split.levels[code]},
                    "percentile": [start, ends[b]],
                    "mean": _mean(rows, values, mask & (bins == b)).to_dict(),
                }
                for b, start in enumerate(STARTS)
            ]
            top.append(
                {
                    "attributes": {split.name: split.levels[code]},
                    "by_score": concentration(rows, rows.score, split.codes == code).to_dict(),
                    "by_second_label": concentration(
                        rows, np.where(known, need, -np.inf), split.codes == code
                    ).to_dict(),
                }
            )
        gaps += [
            {
                **pair.named(),
                "at_equal_score": _at_equal_score(rows, values, known, pair).to_dict(),
                "at_top": _gap(rows, values, known & (percentile >= TOP), pair).to_dict(),
            }
            for pair in pairs_of(split)
        ]
    return {
        "second_label": name,
        "top_percentile": TOP,
        "by_percentile": curves,
        "gaps": gaps,
        "share_of_top": top,
    }


def _mean(rows: Rows, values: FloatArray, mask: BoolArray) -> Estimate:
    n = int(mask.sum())
    if not n:
        return Estimate.undefined("no cases", n=0)
    mean = mean_over(values, mask)
    return estimate(rows, mean.value, mean.influence, mask, fewest=patients_in(rows, mask))


def _gap(rows: Rows, values: FloatArray, among: BoolArray, pair: Pair) -> Estimate:
    sides = [among & pair.group, among & pair.other]
    arms = [mean_over(values, side) for side in sides]
    used = sides[0] | sides[1]
    if any(not side.any() for side in sides):
        return Estimate.undefined("one side has no cases there", n=int(used.sum()))
    return estimate(
        rows,
        arms[0].value - arms[1].value,
        arms[0].influence - arms[1].influence,
        used,
        fewest=min(patients_in(rows, side) for side in sides),
    )


def _at_equal_score(rows: Rows, values: FloatArray, known: BoolArray, pair: Pair) -> Estimate:
    """Return the gap with the reference weighted to the group's own score distribution."""
    stratum = np.asarray((score_percentile(rows.score) - 1) * _FINE // 100, dtype=np.int64)
    # The reference is the side that is weighted: the gap is about patients like the group's.
    arms = balance(stratum, pair.other & known, pair.group & known)
    used = arms.group | arms.other
    if not arms.other.any():
        return Estimate.undefined("no score is shared by both sides", n=int(used.sum()))
    mine = mean_over(values, arms.other)
    theirs = mean_over(values, arms.group, arms.weights)
    return estimate(
        rows,
        mine.value - theirs.value,
        mine.influence - theirs.influence,
        used,
        fewest=min(patients_in(rows, arms.group), patients_in(rows, arms.other)),
        method=f"{_FINE} score strata, {METHOD}",
    )


def concentration(
    rows: Rows, ranking: FloatArray, group: BoolArray, *, top: float = 0.03
) -> Estimate:
    """Return a group's share of the rows ranked highest; ties at the edge count in proportion.

    Args:
        rows: The rows.
        ranking: Rank by this, highest first, (n,).
        group: Rows of the group, (n,).
        top: Share of rows that are chosen, rounded down; at least one row.
    """
    chosen = max(int(top * rows.n), 1)
    edge = np.partition(ranking, rows.n - chosen)[rows.n - chosen]
    above, tied = ranking > edge, ranking == edge
    weight = above + tied * (chosen - above.sum()) / tied.sum()
    mean = mean_over(group, weight > 0, weight)
    by_patient = np.bincount(rows.frame.patient, mean.influence, rows.frame.patients)
    squares, plain = float(by_patient @ by_patient), float(mean.influence @ mean.influence)
    deff = max(squares / plain, 1.0) if plain > 0 else 1.0
    low, high = wilson(mean.value, chosen / deff, Z95)
    return Estimate(
        value=mean.value, low=float(low), high=float(high), n=chosen, deff=deff, method="wilson"
    )
