"""Who is missed: false negatives by group, at the threshold, at equal specificity, standardised.

Seyyed-Kalantari et al. 2021 (Nat Med 27:2176) count a sick patient called healthy. For an output
that says "no finding" that is a false positive, so the sheet reads the FPR there. Bernhardt, Jones
and Glocker 2022 showed that such a gap, measured on a split of the same data, cannot tell a
model's bias from that of its labels; the caveat travels with the numbers.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from audits.fairness.causes.rows import Rows
from audits.fairness.families import Family
from audits.fairness.intervals import INSUFFICIENT_BELOW, wilson
from audits.fairness.rates import Z95, measure_rates, pair_counts, rate_estimates
from audits.fairness.types import BoolArray, FloatArray, IntArray
from audits.types import Estimate

CAVEAT = "underdiagnosis_label_bias"
CAVEAT_TEXT = (
    "Measured on data of the same source and labels as the model, a gap in missed cases cannot "
    "tell a biased model from biased labels or a different case mix (Bernhardt, Jones and Glocker "
    "2022); read it beside the label error and the standardised gaps."
)
REPLICATES = 100
_NO_FINDING = re.compile(r"\b(no|without)[\s_-]*(finding|disease|abnormality)", re.IGNORECASE)
_CHUNK = 4_000_000


def is_healthy_class(name: str) -> bool:
    """Return whether an output's positive class says that nothing was found.

    Example:
        >>> is_healthy_class("No_Finding"), is_healthy_class("effusion")
        (True, False)
    """
    return bool(_NO_FINDING.search(name.strip()))


def underdiagnosis(
    rows: Rows, name: str, families: list[Family], rng: np.random.Generator
) -> dict[str, Any]:
    """Return missed and overcalled cases of every group and declared intersection."""
    healthy = is_healthy_class(name)
    missed, over = ("fpr", "fnr") if healthy else ("fnr", "fpr")
    called = np.asarray(rows.called)
    sick = ~rows.y if healthy else rows.y
    flagged = ~called if healthy else called
    score = -rows.score if healthy else rows.score
    well = ~sick
    target = float(flagged[well].mean()) if well.any() else np.nan
    weights = _patient_weights(rows, rng)
    entries: list[dict[str, Any]] = []
    for family in families:
        rates = measure_rates(rows.frame, family, pair_counts(rows.frame, family, called))
        named = {"named_patients": rows.frame.named_patients}
        under = rate_estimates(missed, rates[missed], **named)
        overs = rate_estimates(over, rates[over], **named)
        for index, label in enumerate(family.labels):
            mask = family.code == index
            if not mask.any():
                continue
            effective = float((under[index].n or 0) / (under[index].deff or 1.0))
            entries.append(
                {
                    "attributes": dict(label),
                    "tier": family.tier,
                    "missed": under[index].to_dict(),
                    "overcalled": overs[index].to_dict(),
                    "missed_at_equal_specificity": _matched(
                        rows, score, sick, mask, target, weights, effective
                    ).to_dict(),
                }
            )
    return {
        "missed_metric": missed,
        "overcalled_metric": over,
        "specificity": None if np.isnan(target) else 1 - target,
        "caveat": CAVEAT,
        "caveat_text": CAVEAT_TEXT,
        "groups": entries,
    }


def _patient_weights(rows: Rows, rng: np.random.Generator) -> FloatArray:
    """Return Poisson weights of each patient, (replicates, patients)."""
    size = (REPLICATES, rows.frame.patients)
    return rng.poisson(1.0, size).astype(np.float32)


def missed_at(
    score: FloatArray, sick: BoolArray, false_alarms: float, weights: FloatArray
) -> FloatArray:
    """Return the share of sick cases below the threshold that gives this false-alarm rate.

    Between two reachable thresholds the ROC curve is joined by a straight line.

    Args:
        score: Higher is sicker, (n,).
        sick: Label, (n,).
        false_alarms: Target share of the well that is flagged.
        weights: One row per replicate, (b, n).

    Returns:
        One share per replicate, NaN where a class has no weight, (b,).
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    w = weights[:, order]
    alarms = np.cumsum(w * ~sick[order], axis=1, dtype=np.float64)[:, last]
    found = np.cumsum(w * sick[order], axis=1, dtype=np.float64)[:, last]
    goal = false_alarms * alarms[:, -1]
    at = np.sum(alarms <= goal[:, None] + 1e-9, axis=1)  # thresholds that stay within the goal
    rows = np.arange(len(w))
    zero = np.zeros((len(w), 1))
    alarms, found = np.hstack([zero, alarms]), np.hstack([zero, found])
    after = np.minimum(at + 1, alarms.shape[1] - 1)
    step = alarms[rows, after] - alarms[rows, at]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(step > 0, (goal - alarms[rows, at]) / step, 0.0)
        hits = found[rows, at] + share * (found[rows, after] - found[rows, at])
        out = 1 - hits / found[:, -1]
        out[alarms[:, -1] <= 0] = np.nan
    return np.asarray(out)


def _matched(  # noqa: PLR0913, PLR0917 - one group of the sheet
    rows: Rows,
    score: FloatArray,
    sick: BoolArray,
    mask: BoolArray,
    target: float,
    weights: FloatArray,
    effective: float,
) -> Estimate:
    n = int((mask & sick).sum())
    if n == 0 or not (mask & ~sick).any() or np.isnan(target):
        return Estimate.undefined("the group lacks cases with or without the condition", n=n)
    inside = np.flatnonzero(mask)
    own, ill = score[inside], sick[inside]
    value = float(missed_at(own, ill, target, np.ones((1, len(inside)), dtype=np.float32))[0])
    drawn = _replicated(own, ill, target, weights, rows.frame.patient[inside])
    se = float(np.nanstd(drawn, ddof=1)) if np.isfinite(drawn).sum() > 1 else 0.0
    # A Wilson interval on the number of cases that the bootstrap says it is worth: never of
    # zero width, and no wider than the counts behind the rate itself allow.
    worth = value * (1 - value) / se**2 if se > 0 and 0 < value < 1 else effective
    low, high = wilson(value, min(worth, effective) or effective, Z95)
    short = n < INSUFFICIENT_BELOW
    who = int(np.count_nonzero(np.bincount(rows.frame.patient[inside][ill])))
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        n=n,
        n_patients=who if rows.frame.named_patients else None,
        method=f"wilson on the effective count of {REPLICATES} patient resamples",
        reason=f"insufficient: {n} cases, {INSUFFICIENT_BELOW} needed" if short else None,
    )


def _replicated(
    score: FloatArray, sick: BoolArray, target: float, weights: FloatArray, patient: IntArray
) -> FloatArray:
    """Return the replicates, a few at a time so that memory does not grow with the rows."""
    step = max(1, _CHUNK // len(score))
    parts = [
        missed_at(score, sick, target, weights[at : at + step][:, patient])
        for at in range(0, len(weights), step)
    ]
    return np.concatenate(parts)
