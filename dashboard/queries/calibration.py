"""Predicted against observed risk by group, from the run's own predictions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from audits.fairness.intervals import wilson
from dashboard.charts import Reliability, ReliabilityBin
from dashboard.queries.cases import has_risk, levels_of, scored_cases
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
    if not has_risk(ref, model, output):
        return None
    frame = scored_cases(ref, model, output)
    column = f"group__{attribute}"
    known = frame[frame["label"].notna() & frame["risk"].notna()]
    largest = known[column].astype(str).value_counts().head(GROUPS).index
    order = [level for level in levels_of(frame, column) if level in set(largest)]
    bins: list[ReliabilityBin] = []
    for level in order:
        own = known[known[column].astype(str) == level]
        risk = own["risk"].to_numpy(dtype=np.float64)
        label = own["label"].to_numpy(dtype=np.float64)
        bins += _bins(f"{humanised(attribute)} {level}", risk, label)
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
