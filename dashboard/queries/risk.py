"""The observed rate behind a predicted risk: "x in 100", or why it is not shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from audits.errors import PackageError
from audits.fairness.risk_bins import at_prevalence, bin_of
from audits.running.observed_risk import ObservedRisk, observed_risk
from audits.storage import Store
from dashboard.queries import explanations
from dashboard.queries.runs import RunRef, load_run
from dashboard.settings import read_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
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


def frequency(ref: RunRef, model: str | None, output: str, risk: float) -> Frequency | str:
    """Return the observed rate for a risk, or in words why there is none."""
    found = _observed(ref, model, output)
    if found.enriched and found.declared_prevalence is None:
        return (
            "How many of 100 such patients had it is not shown: the study was enriched for the "
            "condition, and the policy declares no prevalence for the place of use."
        )
    hit = bin_of(found.bins, risk)
    if hit is None or found.prevalence is None:
        return "How many of 100 such patients had it is not shown: fewer than 50 are there."
    target = found.declared_prevalence
    rates = [float(v or 0.0) for v in (hit.observed.value, hit.observed.low, hit.observed.high)]
    if target is not None and 0 < found.prevalence < 1:
        rates = [at_prevalence(rate, found.prevalence, target) for rate in rates]
    return Frequency(
        rate=rates[0],
        low=rates[1],
        high=rates[2],
        n=hit.observed.n or 0,
        patients=hit.observed.n_patients or 0,
        risks=(hit.low, hit.high),
        split=found.split,
        prevalence=found.prevalence if target is None else target,
        declared=target is not None,
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def _observed(ref: RunRef, model: str | None, output: str) -> ObservedRisk:
    study = explanations.run_study(ref)
    adapter = None
    if model is not None and (place := explanations.model_folder(ref, model)):
        weights = {
            f"{m['id']}@{m['version']}": m["weights_sha256"]
            for m in load_run(ref).evidence["models"]
        }
        try:
            adapter = explanations.opened_model(place, weights[model])
        except PackageError:
            adapter = None  # then the audited cases themselves are counted, which is said
    cache = Store(read_settings().store).cache / "predictions"
    return observed_risk(load_run(ref), model, output, study=study, adapter=adapter, cache=cache)
