"""Patients most like one, with what really happened to them, those who went the other way too.

"Alike" is told by what moved this patient's score: for tables, variables weighted by the size of
their effect; where no columns hold most of what moved it, the model's own scores of every finding.
Both are the model's eyes, not a clinician's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st
from scipy.special import logit

from audits.fairness.intervals import wilson
from dashboard.queries import columns, explanations, sources
from dashboard.queries.columns import MISSING, scored
from dashboard.queries.runs import RunRef, load_run

if TYPE_CHECKING:
    import pandas as pd

    from audits.cohorts import Study

NEAREST = 50
SHOWN = 4
MOST_ROWS = 200_000
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """One similar patient: what the model said and what happened."""

    case: str
    risk: float
    label: int
    closeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarCases:
    """The patients most like one, other cases of the same patient left out.

    Attributes:
        n: How many of the nearest were counted.
        k: How many of them had the condition.
        low: Lower 95 % limit of their share (Wilson).
        high: Upper limit.
        with_condition: The nearest that had it.
        without: The nearest that did not.
        by: ``effects`` or ``scores``: what likeness was told by.
    """

    n: int
    k: int
    low: float
    high: float
    with_condition: tuple[Like, ...]
    without: tuple[Like, ...]
    by: Literal["effects", "scores"]


@st.cache_data(max_entries=128, show_spinner=False)
def similar_cases(ref: RunRef, model: str, output: str, case: str) -> SimilarCases | None:
    """Return the nearest patients to a case, or None where the run has too few to compare."""
    found = scored(ref, model, output)
    row = columns.row_of(ref, case)
    places = np.flatnonzero(found.rows == row) if row is not None else np.empty(0, dtype=np.int64)
    if not len(places) or len(found.rows) > MOST_ROWS:
        return None
    place = int(places[0])
    weights = _effect_sizes(ref, model, output, case)
    study = sources.run_study(ref) if weights else None
    by: Literal["effects", "scores"] = "scores"
    if study is not None and _held(study, weights):
        by, distance = "effects", _by_variables(study, ref, found.rows, case, weights)
    else:
        distance = _by_scores(ref, model, place)
    distance = np.where(
        _others(ref, found.rows, place) & (found.label != MISSING), distance, np.inf
    )
    order = np.argsort(distance, kind="stable")
    near = order[np.isfinite(distance[order])][:NEAREST]
    if not len(near):
        return None
    k, n = int((found.label[near] == 1).sum()), len(near)
    low, high = wilson(k / n, n, _Z)
    typical = float(np.median(distance[np.isfinite(distance)])) or 1.0

    def nearest(label: int) -> tuple[Like, ...]:
        own = order[(found.label[order] == label) & np.isfinite(distance[order])][:SHOWN]
        return tuple(
            Like(
                case=name,
                risk=float(found.risk[at]),
                label=label,
                closeness=float(distance[at]) / typical,
            )
            for at, name in zip(own, columns.case_ids(ref, found.rows[own]), strict=True)
        )

    return SimilarCases(
        n=n,
        k=k,
        low=float(low),
        high=float(high),
        with_condition=nearest(1),
        without=nearest(0),
        by=by,
    )


def _effect_sizes(ref: RunRef, model: str, output: str, case: str) -> dict[str, float]:
    try:
        entry = explanations.case_explanation(ref, model, case, output).entry
    except explanations.UNEXPLAINED:
        return {}
    return {p["name"]: abs(float(p["effect"])) for p in entry.get("players") or []}


def _held(study: Study, weights: Mapping[str, float]) -> bool:
    """Return whether the study's table holds what moved the score, most of it by effect.

    Measurements over time, notes and images are no columns: patients alike in none of them would
    all be equally far.
    """
    held = sum(weight for name, weight in weights.items() if name in study.cases)
    return held > sum(weights.values()) / 2


def _by_variables(
    study: Study,
    ref: RunRef,
    rows: npt.NDArray[np.int32],
    case: str,
    weights: Mapping[str, float],
) -> npt.NDArray[np.float64]:
    """Return squared distances over variables, each in standard deviations times its weight."""
    own = study.cases.loc[case]
    total = sum(weights.values()) or 1.0
    ids = columns.all_ids(ref).to_pandas().iloc[rows]
    table = study.cases.loc[ids]
    out = np.zeros(len(rows))
    for name, weight in weights.items():
        if name in table:
            out += weight / total * _apart(table[name], own[name])
    return out


def _apart(values: pd.Series, own: Any) -> npt.NDArray[np.float64]:
    """Return squared differences from one value; measured against missing is one deviation."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values):
        other = values.astype(str) != str(own)
        return np.asarray(other.to_numpy(), dtype=np.float64)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.isnan(numbers)
    if pd.isna(own):
        return np.where(missing, 0.0, 1.0)
    spread = float(np.nanstd(numbers)) or 1.0
    return np.where(missing, 1.0, ((numbers - float(own)) / spread) ** 2)


def _by_scores(ref: RunRef, model: str, place: int) -> npt.NDArray[np.float64]:
    """Return squared distances over the scores of all findings, in standard deviations."""
    names = [out["name"] for out in load_run(ref).evidence["outputs"] if out["model"] == model]
    parts = []
    for name in names:
        found = scored(ref, model, name)
        values = logit(np.clip(found.risk, 1e-9, 1 - 1e-9)) if found.has_risk else found.risk
        parts.append(((values - values[place]) / (float(np.nanstd(values)) or 1.0)) ** 2)
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)


def _others(ref: RunRef, rows: npt.NDArray[np.int32], place: int) -> npt.NDArray[np.bool_]:
    """Return which scored cases are of another patient than the one at ``place``."""
    patients = columns.patients(ref)
    who = np.arange(len(rows)) if patients is None else patients[rows]
    others: npt.NDArray[np.bool_] = np.asarray(who != who[place], dtype=np.bool_)
    return others
