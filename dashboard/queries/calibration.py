"""Predicted against observed risk by group, from the run's own predictions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from audits.fairness.intervals import wilson
from dashboard.charts import Reliability, ReliabilityBin
from dashboard.queries.columns import MISSING, scored
from dashboard.queries.runs import RunRef
from dashboard.words import humanised

BINS = 8
SMALLEST = 25
"""Cases below which a bin says too little to be drawn."""
GROUPS = 5
_Z = 1.959963984540054


@st.cache_data(max_entries=32, show_spinner=False)
def reliability(ref: RunRef, model: str | None, output: str, attribute: str) -> Reliability | None:
    """Return the calibration of the largest groups of an attribute, None without probabilities.

    Bins hold equally many cases of a group each; intervals are Wilson's, on rows.
    """
    found = scored(ref, model, output)
    if not found.has_risk:
        return None
    levels = found.groups[attribute]
    known = (found.label != MISSING) & ~np.isnan(found.risk)
    sizes = np.bincount(levels.codes[known & (levels.codes >= 0)], minlength=len(levels.names))
    largest = set(np.argsort(-sizes, kind="stable")[:GROUPS].tolist())
    bins: list[ReliabilityBin] = []
    for code, level in enumerate(levels.names):
        if code in largest and sizes[code]:
            own = known & (levels.codes == code)
            bins += _bins(f"{humanised(attribute)} {level}", found.risk[own], found.label[own])
    return Reliability(bins=tuple(bins), name=humanised(output).lower())


def _bins(group: str, risk: np.ndarray, label: np.ndarray) -> list[ReliabilityBin]:
    made = []
    count = min(BINS, len(risk) // SMALLEST)
    for rows in np.array_split(np.argsort(risk, kind="stable"), count) if count else ():
        n = len(rows)
        rate = float(label[rows].mean())
        low, high = wilson(rate, float(n), _Z)
        made.append(
            ReliabilityBin(
                group=group,
                predicted=float(risk[rows].mean()),
                observed=rate,
                low=float(low),
                high=float(high),
                n=n,
            )
        )
    return made
