"""Of a hundred patients with such a predicted risk, how many had the condition: "x in 100".

The bins stand in the evidence of a run (``outputs[].observed_risk``), so that the page, the
one-page PDF, FHIR and ``auscult explain`` say the same. They are counted in a split that the model
was neither trained nor audited on where there is one, else in the audited cases, which is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audits.fairness.frame import BINARY_TASKS
from audits.fairness.risk_bins import at_prevalence, closest, risk_bins
from audits.fairness.types import RiskSample, ScoredOutput

FEWEST = 50
"""Patients in a bin, below which no rate is shown."""
_UNKNOWN = "How many of 100 such patients had it is not shown: "
NOT_TOLD = f"{_UNKNOWN}this output is no probability, or its run is older than this number."


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRate:
    """How often the condition was there among cases with such a risk.

    Attributes:
        rate: Share with the condition, at the declared prevalence where there is one.
        low: Lower 95 % limit.
        high: Upper limit.
        n: Cases in the bin.
        patients: Distinct patients in the bin.
        risks: Lowest and highest predicted risk of the bin.
        split: Split they were counted in; None for the audited cases themselves.
        prevalence: Share with the condition that ``rate`` is stated for.
        declared: Whether that prevalence is the declared one of the place of use.
        predicted: Mean predicted risk in the bin, in [0, 1].
    """

    rate: float
    low: float
    high: float
    n: int
    patients: int
    risks: tuple[float, float]
    split: str | None
    prevalence: float
    declared: bool
    predicted: float

    @property
    def parted(self) -> str:
        """Return that the model's risks are too low or too high here, or nothing.

        At another prevalence than the counted one, predicted and observed cannot be compared.
        """
        low, told, high = (round(100 * one) for one in (self.low, self.predicted, self.high))
        if self.declared or low <= told <= high:  # as printed: nobody reads 1.3 as below "1 to 6"
            return ""
        side = "low" if told < low else "high"
        return (
            f"The model's risks are too {side} here: on average it predicted "
            f"{100 * self.predicted:.1f} % for these cases."
        )

    @property
    def headline(self) -> str:
        """Return the rate with its interval, in words."""
        low, high = of_hundred(self.low), of_hundred(self.high)
        return f"{of_hundred(self.rate)} in 100 ({low} to {high})"

    @property
    def counted(self) -> str:
        """Return in whom it was counted, and for which prevalence it is stated."""
        low, high = (100 * share for share in self.risks)
        where = (
            f"the held-out split “{self.split}”, which is neither the training nor the audited data"
            if self.split
            else "the audited cases themselves, so it describes this cohort and no other"
        )
        share = f"{100 * self.prevalence:.1f} %"
        prevalence = (
            f"Restated for the declared prevalence of {share} at the place of use."
            if self.declared
            else f"Prevalence there: {share}; no other is declared for the place of use."
        )
        parted = f"{self.parted} " if self.parted else ""
        return (
            f"{parted}Observed, with its 95 % interval, among {self.n:,} cases of "
            f"{self.patients:,} patients with predicted risks of {low:.1f} to {high:.1f} %, "
            f"counted in {where}. {prevalence}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``observed_risk`` of ``explanation.json``."""
        return {
            "state": "computed",
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
            "level": 0.95,
            "n": self.n,
            "n_patients": self.patients,
            "risks": list(self.risks),
            "split": self.split,
            "prevalence": self.prevalence,
            "at_declared_prevalence": self.declared,
            "predicted": self.predicted,
        }


def observed_section(output: ScoredOutput, declared: float | None) -> dict[str, Any] | None:
    """Return ``observed_risk`` of an output, or None where its scores are no probabilities.

    Args:
        output: The output; labels 0 or 1, -1 missing, scores in [0, 1], shapes (n,).
        declared: Prevalence at the place of use, where the policy declares one.
    """
    probable = output.space in {"probability", "logit"} and output.task in BINARY_TASKS
    if not probable or output.weights is not None:
        return None
    sample = output.elsewhere or RiskSample(
        split=None, risk=output.score, label=output.y, patients=output.patients
    )
    return section_of(sample, declared)


def section_of(sample: RiskSample, declared: float | None) -> dict[str, Any] | None:
    """Return the bins of one sample; None where a risk lies outside [0, 1]."""
    known = np.isfinite(sample.risk) & (np.asarray(sample.label) >= 0)
    risk, label = sample.risk[known], np.asarray(sample.label)[known].astype(np.int64)
    if not len(risk) or risk.min() < 0 or risk.max() > 1:
        return None
    who = None if sample.patients is None else np.asarray(sample.patients)[known]
    return {
        "state": "computed",
        "split": sample.split,
        "prevalence": float(label.mean()),
        "declared_prevalence": declared,
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "predicted": one.predicted,
                "observed": one.observed.to_dict(),
            }
            for one in risk_bins(risk, label, who, smallest=FEWEST)
        ],
    }


def observed_rate(
    section: Mapping[str, Any] | None, risk: float | None, *, enriched: bool
) -> ObservedRate | str:
    """Return the observed rate of a risk, or in a sentence why there is none.

    Args:
        section: ``observed_risk`` of the output.
        risk: Predicted probability of the case.
        enriched: Whether the cases were chosen for the condition.
    """
    if risk is None or section is None:
        return NOT_TOLD
    if section.get("state") != "computed":
        return f"{_UNKNOWN}{section.get('reason') or 'the run gives no reason.'}"
    declared, sample = section["declared_prevalence"], section["prevalence"]
    if enriched and declared is None:
        return (
            f"{_UNKNOWN}the study was enriched for the condition, and the policy declares no "
            "prevalence for the place of use."
        )
    hit = closest(section["bins"], risk)
    if hit is None:
        return f"{_UNKNOWN}fewer than {FEWEST} are there."
    counted = hit["observed"]
    rates = [float(counted[name] or 0.0) for name in ("value", "low", "high")]
    if declared is not None and 0 < sample < 1:
        rates = [at_prevalence(rate, sample, declared) for rate in rates]
    return ObservedRate(
        rate=rates[0],
        low=rates[1],
        high=rates[2],
        n=int(counted["n"]),
        patients=int(counted["n_patients"]),
        risks=(hit["low"], hit["high"]),
        split=section["split"],
        prevalence=sample if declared is None else declared,
        declared=declared is not None,
        predicted=float(hit["predicted"]),
    )


def observed_of(
    evidence: Mapping[str, Any], entry: Mapping[str, Any], risk: float | None
) -> ObservedRate | str:
    """Return the observed rate of a risk under one output of a run, or why there is none.

    Args:
        evidence: ``evidence.json``.
        entry: The output's entry in it.
        risk: Predicted probability of the case.
    """
    enriched = evidence["study"].get("sampling") == "enriched"
    return observed_rate(entry.get("observed_risk"), risk, enriched=enriched)


def of_hundred(share: float) -> str:
    """Return a share as a count of a hundred; below one in a hundred it says so.

    Example:
        >>> of_hundred(0.234), of_hundred(0.002), of_hundred(0.0)
        ('23', 'fewer than 1', '0')
    """
    if 0 < share < 0.005:  # noqa: PLR2004 - half of one in a hundred
        return "fewer than 1"
    return f"{100 * share:.0f}"
