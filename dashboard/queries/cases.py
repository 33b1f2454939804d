"""The cases of a run: who is asked for, in which order, and what is known of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from dashboard.queries import columns
from dashboard.queries.case_inputs import imaged_cases
from dashboard.queries.columns import Scored, scored
from dashboard.queries.runs import RunRef

if TYPE_CHECKING:
    import pandas as pd

Show = Literal["all", "wrong", "missed", "false_alarm", "found", "uncertain", "changed", "blind"]
Outcome = Literal["true_positive", "false_negative", "false_positive", "true_negative"]


SIBLINGS = 6
"""Other cases of a patient that are named; a stay scored by the hour has hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which cases are asked for; the whole key of a filtered list.

    Attributes:
        ref: The run.
        model: Model key, or None for a table of predictions.
        output: Name of the output.
        threshold: Threshold of the call, or None where there is none.
        show: What kind of case.
        group: (attribute, level) pairs that all must hold; empty for everybody.
        other: Model key and threshold of the version to compare calls with, or None.
        with_image: Only cases whose image is shipped with the study.
    """

    ref: RunRef
    model: str | None
    output: str
    threshold: float | None
    show: Show = "all"
    group: tuple[tuple[str, str], ...] = ()
    other: tuple[str, float | None] | None = None
    with_image: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One line of the list."""

    case: str
    risk: float | None
    outcome: Outcome | None
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """One case under one model.

    Attributes:
        case: Case id.
        risk: Predicted probability, or None where the output has none.
        score: The score on the model's own scale.
        label: 1 or 0, or None where it is missing.
        observed: What the study recorded, a number of its own for outputs that are numbers.
        outcome: How the call turned out, or None where label or threshold is missing.
        groups: Attribute to level.
    """

    case: str
    risk: float | None
    score: float | None
    label: int | None
    observed: float | None
    outcome: Outcome | None
    groups: dict[str, str]


def has_risk(ref: RunRef, model: str | None, output: str) -> bool:
    """Return whether the output is a probability."""
    return scored(ref, model, output).has_risk


def page_of_cases(question: Question, page: int, size: int) -> tuple[list[CaseRow], int]:
    """Return one page of the cases asked for, counted from 0, and how many there are in all."""
    places = _ordered(question)
    found = scored(question.ref, question.model, question.output)
    shown = places[page * size : (page + 1) * size]
    ids = columns.case_ids(question.ref, found.rows[shown])
    rows = [
        _row(found, int(place), case, question.threshold)
        for place, case in zip(shown, ids, strict=True)
    ]
    return rows, len(places)


def how_many(question: Question) -> int:
    """Return how many cases are asked for, without reading an id."""
    return len(_ordered(question))


@st.cache_data(max_entries=512, show_spinner=False)
def facts(
    ref: RunRef, model: str | None, output: str, case: str, threshold: float | None
) -> CaseFacts | None:
    """Return one case under one model, or None where the run has no such case."""
    row = columns.row_of(ref, case)
    if row is None:
        return None
    found = scored(ref, model, output)
    place = int(np.searchsorted(found.rows, row)) if _rising(found.rows) else _find(found.rows, row)
    if place >= len(found.rows) or found.rows[place] != row:
        return None
    shown = _row(found, place, case, threshold)
    label = int(found.label[place])
    return CaseFacts(
        case=case,
        risk=shown.risk if found.has_risk else None,
        score=columns.score_at(ref, model, output, place),
        label=None if label == columns.MISSING else label,
        observed=columns.observed_at(ref, output, row),
        outcome=shown.outcome,
        groups=dict(shown.groups),
    )


@st.cache_data(max_entries=256, show_spinner=False)
def of_same_patient(
    ref: RunRef, model: str | None, output: str, case: str
) -> tuple[dict[str, dict[str, str]], int]:
    """Return the groups of a patient's other scored cases by their id, and how many there are.

    The first :data:`SIBLINGS` are named; none where the run declares no patients.
    """
    codes, row = columns.patients(ref), columns.row_of(ref, case)
    if codes is None or row is None:
        return {}, 0
    found = scored(ref, model, output)
    places = np.flatnonzero((codes[found.rows] == codes[row]) & (found.rows != row))
    ids = columns.case_ids(ref, found.rows[places[:SIBLINGS]])
    rows = [_row(found, int(place), name, None) for place, name in zip(places, ids, strict=False)]
    return {one.case: dict(one.groups) for one in rows}, len(places)


def group_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold groups, in the order of the run."""
    return [str(name) for name in frame if str(name).startswith("group__")]


def outcome(label: int | None, risk: float | None, threshold: float | None) -> Outcome | None:
    """Return how a call turned out.

    Example:
        >>> outcome(1, 0.2, 0.5), outcome(0, 0.7, 0.5), outcome(None, 0.7, 0.5)
        ('false_negative', 'false_positive', None)
    """
    if label is None or risk is None or threshold is None:
        return None
    if risk >= threshold:
        return "true_positive" if label else "false_positive"
    return "false_negative" if label else "true_negative"


def percentile(ref: RunRef, model: str | None, output: str, value: float) -> float:
    """Return the share of the run's cases with a lower risk, in [0, 1]."""
    return float((scored(ref, model, output).risk < value).mean())


def calls_of_other(found: Scored, other: Scored, limit: float) -> npt.NDArray[np.float64]:
    """Return 1 or 0 for the other version's call of each case, NaN where it scored none."""
    risk = risks_of_other(found, other)
    return np.where(np.isnan(risk), np.nan, risk >= limit)


def risks_of_other(found: Scored, other: Scored) -> npt.NDArray[np.float64]:
    """Return another version's risk of each case, NaN where it did not score it."""
    if np.array_equal(found.rows, other.rows):
        return other.risk
    size = int(max(found.rows.max(initial=-1), other.rows.max(initial=-1))) + 1
    by_row = np.full(size, np.nan)
    by_row[other.rows] = other.risk
    return by_row[found.rows]


@st.cache_resource(max_entries=24, show_spinner=False)
def _ordered(question: Question) -> npt.NDArray[np.int32]:
    """Return places of the cases asked for among the scored ones, the most telling first.

    Missed cases come by rising risk (the surest miss first), false alarms by falling risk, wrong
    and uncertain ones by their distance from the threshold, all others by falling risk. Blind is
    the order of the study.
    """
    found = scored(question.ref, question.model, question.output)
    keep = np.ones(len(found.risk), dtype=np.bool_)
    if question.with_image:
        keep &= imaged_rows(question.ref)[found.rows]
    for attribute, level in question.group:
        keep &= found.at_level(attribute, level)
    order = -found.risk
    if question.show == "blind":
        order = found.rows.astype(np.float64)
    elif question.threshold is not None:
        more, order = _shown(question, found, question.threshold)
        keep &= more
    places = np.flatnonzero(keep)
    return places[np.argsort(order[places], kind="stable")].astype(np.int32)


def _shown(
    question: Question, found: Scored, threshold: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return which cases are of the kind asked for, and what to order them by."""
    risk, label = found.risk, found.label
    flagged = risk >= threshold
    away = np.abs(_logit(risk) - _logit(np.array(threshold)))
    missed, false_alarm = (label == 1) & ~flagged, (label == 0) & flagged
    everybody = np.ones(len(risk), dtype=np.bool_)
    if question.show == "changed":
        return _changed(question, found, flagged, threshold), -risk
    kinds: dict[str, tuple[Any, Any]] = {
        "wrong": (missed | false_alarm, -away),
        "missed": (missed, risk),
        "false_alarm": (false_alarm, -risk),
        "found": ((label == 1) & flagged, -risk),
        "uncertain": (everybody, away),
        "all": (everybody, -risk),
    }
    return kinds[question.show]


def _changed(question: Question, found: Scored, flagged: Any, threshold: float) -> Any:
    if question.other is None:
        return np.zeros(len(flagged), dtype=np.bool_)
    model, limit = question.other
    theirs = scored(question.ref, model, question.output)
    calls = calls_of_other(found, theirs, threshold if limit is None else limit)
    return ~np.isnan(calls) & (flagged != (calls == 1))


@st.cache_resource(max_entries=4, show_spinner=False)
def imaged_rows(ref: RunRef) -> npt.NDArray[np.bool_]:
    """Return, for each row of the run's table of cases, whether its image is shipped."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shipped = pa.array(sorted(imaged_cases(ref)), type=pa.string())
    return np.asarray(pc.is_in(columns.all_ids(ref).cast("string"), value_set=shipped))


def _row(found: Scored, place: int, case: str, threshold: float | None) -> CaseRow:
    risk = float(found.risk[place])
    known = None if np.isnan(risk) else risk
    label = int(found.label[place])
    return CaseRow(
        case=case,
        risk=known,
        outcome=outcome(None if label == columns.MISSING else label, known, threshold),
        groups=tuple(
            (name, levels.names[levels.codes[place]])
            for name, levels in found.groups.items()
            if levels.codes[place] >= 0
        ),
    )


def _rising(rows: npt.NDArray[np.int32]) -> bool:
    return len(rows) > 0 and int(rows[-1]) == len(rows) - 1


def _find(rows: npt.NDArray[np.int32], row: int) -> int:
    places = np.flatnonzero(rows == row)
    return int(places[0]) if len(places) else len(rows)


def _logit(risk: Any) -> Any:
    inside = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))
