"""Predicted against observed risk by group, from the run's own predictions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from audits.fairness.risk_bins import risk_bins
from dashboard.charts import Reliability, ReliabilityBin
from dashboard.queries.runs import RunRef
from dashboard.queries.thresholds import rows_of
from dashboard.words import humanised

BINS = 8
SMALLEST = 25
"""Patients below which a bin says too little to be drawn."""
GROUPS = 5


@st.cache_data(max_entries=32, show_spinner=False)
def reliability(ref: RunRef, model: str | None, output: str, attribute: str) -> Reliability | None:
    """Return the calibration of the largest groups of an attribute, None without probabilities.

    Bins hold equally many cases of a group each; intervals are Wilson's on the effective count,
    because a patient's cases are alike. Of a table read in portions they hold its sample.
    """
    found = rows_of(ref, model, output, "binary")
    if found.space != "probability":
        return None
    levels = next(one for one in found.attributes if one.name == attribute)
    label, risk = np.asarray(found.y), np.asarray(found.score, dtype=np.float64)
    codes = np.asarray(levels.codes)
    known = (label >= 0) & ~np.isnan(risk)
    sizes = np.bincount(codes[known & (codes >= 0)], minlength=len(levels.levels))
    largest = set(np.argsort(-sizes, kind="stable")[:GROUPS].tolist())
    bins: list[ReliabilityBin] = []
    for code, level in enumerate(levels.levels):
        if code in largest and sizes[code]:
            own = known & (codes == code)
            patients = None if found.patients is None else np.asarray(found.patients)[own]
            group = f"{humanised(attribute)} {level}"
            bins += _bins(group, risk[own], label[own].astype(np.int64), patients)
    return Reliability(bins=tuple(bins), name=humanised(output).lower())


def _bins(
    group: str, risk: np.ndarray, label: np.ndarray, patients: np.ndarray | None
) -> list[ReliabilityBin]:
    found = risk_bins(risk, label, patients, smallest=SMALLEST, most=BINS)
    made = []
    for one in found:
        value, low, high, n = (
            getattr(one.observed, name) for name in ("value", "low", "high", "n")
        )
        made.append(
            ReliabilityBin(
                group=group, predicted=one.predicted, observed=value, low=low, high=high, n=n
            )
        )
    return made
