"""Crude gaps split into what groups share and what their case mix adds.

Every row of the group is weighted so that its mix of the other declared attributes, within each
label, is that of the reference: ``w = P_ref(stratum) / P_group(stratum)``. The gap that remains
is the standardised one; crude = standardised + composition, exactly (Kitagawa 1955; Oaxaca 1973).
For selection rates the strata hold the label too, so the prevalence is standardised as well
(weighted performance estimation: Pfohl et al. 2025, arXiv 2506.04193).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audits.fairness.causes.influence import estimate, patients_in
from audits.fairness.causes.rows import Pair, Rows, Split, pairs_of
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.types import Estimate

MIN_SUPPORT = 0.9
"""An attribute is adjusted for as long as the group has rows in strata that hold this share of
the reference."""
MIN_PATIENTS = 30
METRICS = ("tpr", "fpr", "selection_rate", "auroc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """Rows of a group weighted to the reference's strata.

    Attributes:
        group: Rows of the group on the common support.
        other: Rows of the reference on the common support.
        weights: Weight of each group row, summing to 1; 0 elsewhere.
        support: Share of the reference's rows that lie in a stratum the group has.
        ess: Effective sample size (Σw)²/Σw² of the weighted group.
    """

    group: BoolArray
    other: BoolArray
    weights: FloatArray
    support: float
    ess: float


def balance(stratum: IntArray, group: BoolArray, other: BoolArray) -> Balanced:
    """Weight the group's rows to the reference's distribution over the strata."""
    size = int(stratum.max(initial=0)) + 1
    own = np.bincount(stratum[group], minlength=size)
    theirs = np.bincount(stratum[other], minlength=size)
    common = (own > 0) & (theirs > 0)
    total = theirs[common].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(common, theirs / (total * own), 0.0) if total else np.zeros(size)
    weights = np.where(group, weight[stratum], 0.0)
    squares = float(weights @ weights)
    everyone = int(other.sum())
    return Balanced(
        group=group & common[stratum],
        other=other & common[stratum],
        weights=weights,
        support=float(total / everyone) if everyone else 0.0,
        ess=1 / squares if squares > 0 else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arms:
    """Values of both sides of a gap and the influence of each row on their difference."""

    group: float
    other: float
    influence: FloatArray

    @property
    def gap(self) -> float:
        return self.group - self.other


def _outcomes(values: FloatArray, stratum: IntArray, arms: Balanced) -> _Arms:
    """Return the standardised gap of a mean; the interval treats the weights as a design."""
    weights, n = arms.weights, max(int(arms.other.sum()), 1)
    mine = float(weights @ values)
    theirs = float(values[arms.other].sum() / n)
    size = int(stratum.max(initial=0)) + 1
    by_stratum = np.bincount(stratum, weights * values, size)
    mass = np.bincount(stratum, weights, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(mass > 0, by_stratum / mass, 0.0)[stratum]
    shift = (expected - mine) - (values - theirs)
    influence = weights * (values - mine) + np.where(arms.other, shift / n, 0.0)
    return _Arms(group=mine, other=theirs, influence=influence)


def _placements(score: FloatArray, own: BoolArray, against: FloatArray) -> FloatArray:
    """Return, per row of ``own``, the weight of ``against`` that it outranks; ties count half."""
    holders = np.flatnonzero(against > 0)
    order = holders[np.argsort(score[holders], kind="stable")]
    ladder = np.concatenate([[0.0], np.cumsum(against[order])])
    at = score[order]
    mine = score[own]
    below = ladder[np.searchsorted(at, mine, side="left")]
    upto = ladder[np.searchsorted(at, mine, side="right")]
    out = np.zeros(len(score))
    out[own] = (below + upto) / 2 / (ladder[-1] or 1.0)
    return out


def _areas(
    rows: Rows, stratum: IntArray, group: BoolArray, other: BoolArray
) -> tuple[_Arms, Balanced]:
    """Return the standardised gap of the AUROC, each class weighted to the reference's strata."""
    y = rows.y
    pos, neg = balance(stratum, group & y, other & y), balance(stratum, group & ~y, other & ~y)
    flat = [arm.other / max(int(arm.other.sum()), 1) for arm in (pos, neg)]
    influence = np.zeros(rows.n)
    values = []
    for side, (mine, against) in {1: (0, 1), 0: (1, 0)}.items():
        arm = (pos, neg)[mine]
        weights = ((pos, neg)[against].weights, flat[against])
        own = _placements(rows.score, arm.group, weights[0])
        theirs = _placements(rows.score, arm.other, weights[1])
        if not side:  # a negative counts by the positives that outrank it
            own, theirs = np.where(arm.group, 1 - own, 0.0), np.where(arm.other, 1 - theirs, 0.0)
        made = _outcomes(np.where(arm.group, own, theirs), stratum, arm)
        influence += made.influence
        values.append(made)
    support = Balanced(
        group=pos.group | neg.group,
        other=pos.other | neg.other,
        weights=pos.weights + neg.weights,
        support=min(pos.support, neg.support),
        ess=min(pos.ess, neg.ess),
    )
    return _Arms(group=values[0].group, other=values[0].other, influence=influence), support


def standardise(rows: Rows, metric: str, stratum: IntArray, pair: Pair) -> tuple[_Arms, Balanced]:
    """Return the gap of one metric over the strata, and what it rests on."""
    y = rows.y
    if metric == "auroc":
        return _areas(rows, stratum, pair.group, pair.other)
    called = np.asarray(rows.called, dtype=np.float64)
    base = {"tpr": y, "fpr": ~y, "selection_rate": np.ones(rows.n, dtype=np.bool_)}[metric]
    cell = stratum * 2 + y if metric == "selection_rate" else stratum
    arms = balance(cell, pair.group & base, pair.other & base)
    return _outcomes(called, cell, arms), arms


def adjusters(rows: Rows, split: Split, pairs: Sequence[Pair]) -> tuple[list[Split], IntArray]:
    """Return the attributes that are adjusted for, and the stratum of each row.

    The other declared attributes join in the policy's order, each only while every group of 30
    patients still meets 90 % of its reference, among positives and among negatives.
    """
    stratum = np.zeros(rows.n, dtype=np.int64)
    chosen: list[Split] = []
    large = [
        pair
        for pair in pairs
        if min(patients_in(rows, pair.group), patients_in(rows, pair.other)) >= MIN_PATIENTS
    ]
    for other in rows.splits:
        if other.name == split.name or len(other.occupied) < 2:  # noqa: PLR2004 - nothing to mix
            continue
        finer = _compact(stratum * (len(other.levels) + 1) + other.codes + 1)
        supports = [
            balance(finer, pair.group & label, pair.other & label).support
            for pair in large
            for label in (rows.y, ~rows.y)
            if (pair.group & label).any() and (pair.other & label).any()
        ]
        if supports and min(supports) >= MIN_SUPPORT:
            stratum, chosen = finer, [*chosen, other]
    return chosen, stratum


def _compact(codes: IntArray) -> IntArray:
    return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def standardised_gaps(rows: Rows) -> list[dict[str, Any]]:
    """Return crude, standardised and composition gaps of every declared group."""
    metrics = [m for m in METRICS if m == "auroc" or rows.called is not None]
    out = []
    for split in rows.splits:
        pairs = pairs_of(split)
        chosen, stratum = adjusters(rows, split, pairs)
        names = [other.name for other in chosen]
        left = [s.name for s in rows.splits if s.name not in (split.name, *names)]
        for pair in pairs:
            out += [
                {
                    "metric": metric,
                    **pair.named(),
                    "adjusted_for": names + (["label"] if metric == "selection_rate" else []),
                    "not_adjusted_for": left,
                    **_gap(rows, metric, stratum, pair),
                }
                for metric in metrics
            ]
    return out


def _gap(rows: Rows, metric: str, stratum: IntArray, pair: Pair) -> dict[str, Any]:
    crude, whole = standardise(rows, metric, np.zeros(rows.n, dtype=np.int64), pair)
    if metric == "selection_rate":
        crude, whole = _plain(rows, pair)
    made, arms = standardise(rows, metric, stratum, pair)
    used = whole.group | whole.other
    fewest = min(patients_in(rows, whole.group), patients_in(rows, whole.other))
    reason = _short(rows, metric, whole)
    if reason is not None:
        nothing = Estimate.undefined(reason, n=int(used.sum())).to_dict()
        return {
            "crude": nothing,
            "standardised": nothing,
            "composition": nothing,
            "support": None,
            "ess": None,
        }
    composition = crude.influence - made.influence
    many = {"fewest": fewest, "bounds": (-1.0, 1.0)}
    return {
        "crude": estimate(rows, crude.gap, crude.influence, used, **many).to_dict(),  # type: ignore[arg-type]
        "standardised": estimate(rows, made.gap, made.influence, used, **many).to_dict(),  # type: ignore[arg-type]
        "composition": estimate(  # what the case mix adds to the crude gap
            rows,
            crude.gap - made.gap,
            composition,
            used,
            **many,  # type: ignore[arg-type]
        ).to_dict(),
        "support": arms.support,
        "ess": arms.ess,
    }


def _plain(rows: Rows, pair: Pair) -> tuple[_Arms, Balanced]:
    """Return the crude gap of the selection rate, not even the label held fixed."""
    one = np.zeros(rows.n, dtype=np.int64)
    arms = balance(one, pair.group, pair.other)
    return _outcomes(np.asarray(rows.called, dtype=np.float64), one, arms), arms


def _short(rows: Rows, metric: str, arms: Balanced) -> str | None:
    what = {"tpr": "positives", "fpr": "negatives", "selection_rate": "cases"}
    for side, mask in (("group", arms.group), ("reference", arms.other)):
        if metric == "auroc":
            if not ((mask & rows.y).any() and (mask & ~rows.y).any()):
                return f"the {side} lacks positives or negatives"
        elif not mask.any():
            return f"the {side} has no {what[metric]}"
    return None


__all__ = ["Balanced", "adjusters", "balance", "standardise", "standardised_gaps"]
