"""Predictive values at one prevalence for every group, so that only the model differs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from audits.fairness.causes.influence import Mean, estimate, mean_over, patients_in
from audits.fairness.causes.rows import Pair, Rows, pairs_of
from audits.fairness.types import BoolArray, FloatArray
from audits.types import Estimate

METRICS = ("ppv", "npv")


def ppv_at(tpr: float, fpr: float, prevalence: float) -> float:
    """Return TPR·π / (TPR·π + FPR·(1 − π)).

    Example:
        >>> round(ppv_at(0.8, 0.1, 0.2), 4)
        0.6667
    """
    return tpr * prevalence / (tpr * prevalence + fpr * (1 - prevalence))


def npv_at(tpr: float, fpr: float, prevalence: float) -> float:
    """Return TNR·(1 − π) / (TNR·(1 − π) + FNR·π).

    Example:
        >>> round(npv_at(0.8, 0.1, 0.2), 4)
        0.9474
    """
    quiet = (1 - fpr) * (1 - prevalence)
    return quiet / (quiet + (1 - tpr) * prevalence)


def common_prevalence(rows: Rows) -> dict[str, Any]:
    """Return PPV and NPV of every group at the cohort's prevalence, which is held fixed."""
    called = rows.called
    assert called is not None  # noqa: S101 - the caller asks only where a threshold is declared
    prevalence = float(rows.y.mean())
    groups: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    for split in rows.splits:
        for code in split.occupied:
            mask = split.codes == code
            groups.append(
                {
                    "attributes": {split.name: split.levels[code]},
                    **{
                        metric: _single(rows, metric, mask, prevalence).to_dict()
                        for metric in METRICS
                    },
                }
            )
        for pair in pairs_of(split):
            gaps += [
                {"metric": metric, **pair.named(), **_gap(rows, metric, pair, prevalence)}
                for metric in METRICS
            ]
    return {"prevalence": prevalence, "groups": groups, "gaps": gaps}


def _arm(
    rows: Rows, metric: str, mask: BoolArray, prevalence: float
) -> tuple[float, FloatArray] | str:
    """Return the log odds of a predictive value and each row's influence on them."""
    called = np.asarray(rows.called)
    # PPV rests on TPR and FPR, NPV on TNR and FNR: the same formula with decisions turned round.
    right, wrong = (rows.y, ~rows.y) if metric == "ppv" else (~rows.y, rows.y)
    share = prevalence if metric == "ppv" else 1 - prevalence
    hit = called if metric == "ppv" else ~called
    top: Mean = mean_over(hit, mask & right)
    bottom: Mean = mean_over(hit, mask & wrong)
    for mean, what in ((top, right), (bottom, wrong)):
        name = "positives" if what is rows.y else "negatives"
        if not np.isfinite(mean.value):
            return f"no {name}"
        if mean.value <= 0:
            return f"the rate among {name} is 0, so the odds are undefined"
    value = np.log(top.value * share / (bottom.value * (1 - share)))
    return float(value), top.influence / top.value - bottom.influence / bottom.value


def _single(rows: Rows, metric: str, mask: BoolArray, prevalence: float) -> Estimate:
    n = int(mask.sum())
    if not 0 < prevalence < 1:
        return Estimate.undefined("the cohort has one class only", n=n)
    arm = _arm(rows, metric, mask, prevalence)
    if isinstance(arm, str):
        return Estimate.undefined(arm, n=n)
    log_odds, influence = arm
    odds = estimate(rows, log_odds, influence, mask, fewest=_fewest(rows, mask))
    limits = [None if x is None else float(expit(x)) for x in (odds.low, odds.high)]
    return Estimate(
        value=float(expit(log_odds)),
        low=limits[0],
        high=limits[1],
        n=odds.n,
        n_patients=odds.n_patients,
        deff=odds.deff,
        method="log odds, influence function clustered by patient",
        reason=odds.reason,
    )


def _gap(rows: Rows, metric: str, pair: Pair, prevalence: float) -> dict[str, Any]:
    called, used = np.asarray(rows.called), pair.group | pair.other
    base = called if metric == "ppv" else ~called
    good = rows.y if metric == "ppv" else ~rows.y
    crude_arms = [mean_over(good, base & side) for side in (pair.group, pair.other)]
    crude = _difference(rows, crude_arms, base & used, [base & pair.group, base & pair.other])
    arms = [_arm(rows, metric, side, prevalence) for side in (pair.group, pair.other)]
    if not 0 < prevalence < 1 or any(isinstance(arm, str) for arm in arms):
        why = next((arm for arm in arms if isinstance(arm, str)), "the cohort has one class only")
        return {"crude": crude, "standardised": Estimate.undefined(why).to_dict()}
    moved = []
    for log_odds, influence in (arm for arm in arms if not isinstance(arm, str)):
        value = float(expit(log_odds))
        moved.append(Mean(value=value, influence=influence * value * (1 - value), used=used))
    sides = [pair.group, pair.other]
    return {"crude": crude, "standardised": _difference(rows, moved, used, sides)}


def _difference(
    rows: Rows, arms: list[Mean], used: BoolArray, sides: list[BoolArray]
) -> dict[str, Any]:
    group, other = arms
    if not (np.isfinite(group.value) and np.isfinite(other.value)):
        return Estimate.undefined("one side has no such prediction", n=int(used.sum())).to_dict()
    return estimate(
        rows,
        group.value - other.value,
        group.influence - other.influence,
        used,
        fewest=min(patients_in(rows, side) for side in sides),
        bounds=(-1.0, 1.0),
    ).to_dict()


def _fewest(rows: Rows, mask: BoolArray) -> int:
    return min(patients_in(rows, mask & rows.y), patients_in(rows, mask & ~rows.y))
