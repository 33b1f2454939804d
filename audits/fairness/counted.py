"""Every metric that counts carry, with its interval, and the sections beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.fairness.auprc import auprc_estimates
from audits.fairness.auroc import area_estimates
from audits.fairness.cross_ranking import cross_areas
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.means import Linear, linear_estimates
from audits.fairness.rates import DENOMINATORS, NEEDS_NO_THRESHOLD, rate_estimates
from audits.fairness.subject import Subject
from audits.fairness.swept import Observed, Swept
from audits.fairness.types import FloatArray
from audits.fairness.utility import decision_curves, shared_threshold_regret
from audits.types import Estimate

METRICS = (
    *DENOMINATORS,
    "auroc",
    "auprc",
    "brier",
    "ece_debiased",
    "calibration_slope",
    "calibration_intercept",
    "oe_ratio",
    "net_benefit",
)


PROBABILITY_METRICS = METRICS[-6:]


NO_THRESHOLD = "no threshold is declared"


NO_PROBABILITY = "the scores are not probabilities"


def estimates_of(subject: Subject, family: Family, swept: Swept) -> dict[str, list[Estimate]]:
    """Return the estimate of every metric in every group."""
    frame, threshold, rows = subject.frame, subject.threshold, swept.n
    named = frame.named_patients
    out: dict[str, list[Estimate]] = {}
    for metric in DENOMINATORS:
        if threshold is None and metric not in NEEDS_NO_THRESHOLD:
            out[metric] = _all_undefined(NO_THRESHOLD, rows)
        else:
            out[metric] = rate_estimates(metric, swept.rates[metric], named_patients=named)
    out["auroc"] = area_estimates(swept.areas, named_patients=named)
    out["auprc"] = auprc_estimates(frame, swept.linear(family, "auprc"), swept.cells)
    if swept.observed is None or swept.fits is None:
        for metric in PROBABILITY_METRICS:
            out[metric] = _all_undefined(NO_PROBABILITY, rows)
        return out
    out["brier"] = linear_estimates(
        frame, swept.linear(family, "brier"), undefined=lambda _: "no cases", bounds=(0.0, 1.0)
    )
    out["ece_debiased"] = linear_estimates(
        frame,
        swept.linear(family, "ece_debiased"),
        undefined=lambda _: "fewer than two cases",
    )
    for metric in ("calibration_slope", "calibration_intercept"):
        out[metric] = swept.fits.estimates(frame, swept.linear(family, metric))
    out["oe_ratio"] = _oe_estimates(frame, family, swept.observed, rows)
    if threshold is None or swept.cuts is None:
        reason = NO_THRESHOLD if threshold is None else "the threshold lies outside (0, 1)"
        out["net_benefit"] = _all_undefined(reason, rows)
    else:
        out["net_benefit"] = linear_estimates(
            frame,
            swept.linear(family, "net_benefit"),
            undefined=lambda _: "no cases",
            bounds=(-threshold / (1 - threshold), 1.0),
        )
    return out


def _all_undefined(reason: str, rows: FloatArray) -> list[Estimate]:
    return [Estimate.undefined(reason, n=int(n)) for n in rows]


def _oe_estimates(
    frame: Frame, family: Family, observed: Observed, rows: FloatArray
) -> list[Estimate]:
    sums = observed.ratio.group
    value = np.where((sums.k > 0) & (sums.n > 0), sums.value, np.nan)
    measured = Linear(
        value=value,
        se=np.sqrt(sums.variance),
        df=np.maximum(np.minimum(sums.patients, sums.k) - 1, 1),
        deff=np.full(family.size, observed.deff),
        n=rows,
        patients=family.patients,
    )

    def undefined(index: int) -> str:
        if measured.n[index] == 0:
            return "no cases"
        if sums.n[index] == 0:
            return "no expected events"
        return f"no observed events against {sums.n[index]:.3g} expected"

    return linear_estimates(frame, measured, undefined=undefined, log=True)


def sections_of(
    subject: Subject, family: Family, swept: Swept, estimates: Mapping[str, list[Estimate]]
) -> dict[str, list[dict[str, Any]]]:
    """Return decision curves, regret and cross areas of everybody or of an attribute's groups."""
    frame, cells = subject.frame, swept.cells
    out: dict[str, list[dict[str, Any]]] = {}
    if family.tier != "marginal" or not family.declared:
        return out
    if family.names and int(swept.n.sum()) == subject.rows:
        out["cross_auroc"] = cross_areas(
            family, cells, swept.areas, distinct=len(frame.distinct), clustered=frame.clustered
        )
    if swept.cuts is not None and subject.rows:
        deff = np.asarray([item.deff or 1.0 for item in estimates["net_benefit"]])
        out["decision_curve"] = decision_curves(frame, family, cells, deff)
        out["regret"] = shared_threshold_regret(
            frame, family, swept.cuts, swept.linear(family, "regret")
        )
    return out
