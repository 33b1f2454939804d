"""The cases of a run: scores, calls and groups, joined once and filtered by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import streamlit as st

from dashboard.queries.explanations import imaged_cases
from dashboard.queries.runs import RunRef, load_run

if TYPE_CHECKING:
    import pandas as pd

SCORES_KEY = "scores"
"""Under which a run keeps the predictions of a table that came without a model."""

Show = Literal["all", "missed", "false_alarm", "found", "uncertain", "changed"]
Outcome = Literal["true_positive", "false_negative", "false_positive", "true_negative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which cases are asked for; the whole key of a filtered list.

    Attributes:
        ref: The run.
        model: Model key, or None for a table of predictions.
        output: Name of the output.
        threshold: Threshold of the call, or None where there is none.
        show: What kind of case.
        group: (attribute, level), or None for everybody.
        other: Model key and threshold of the version to compare calls with, or None.
        with_image: Only cases whose image is shipped with the study.
    """

    ref: RunRef
    model: str | None
    output: str
    threshold: float | None
    show: Show = "all"
    group: tuple[str, str] | None = None
    other: tuple[str, float | None] | None = None
    with_image: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """One case under one model.

    Attributes:
        case: Case id.
        risk: Predicted probability, or None where the output has none.
        score: The score on the model's own scale.
        label: 1 or 0, or None where it is missing.
        outcome: How the call turned out, or None where label or threshold is missing.
        groups: Attribute to level.
    """

    case: str
    risk: float | None
    score: float | None
    label: int | None
    outcome: Outcome | None
    groups: dict[str, str]


@st.cache_resource(max_entries=16, show_spinner=False)
def scored_cases(ref: RunRef, model: str | None, output: str) -> pd.DataFrame:
    """Return case_id, label, score, risk and groups of every scored case; never changed.

    ``risk`` is the probability where there is one, else the score; ``group__NAME`` are levels.
    """
    run = load_run(ref)
    cases = run.cases
    predictions = run.predictions(model or SCORES_KEY)
    wanted = ["case_id", *group_columns(cases)]
    frame = cases[wanted].copy()
    label = f"label__{output}"
    frame["label"] = cases[label].astype("Float64") if label in cases else np.nan
    scores = predictions[["case_id"]].copy()
    raw = [c for c in predictions if c in {f"logit__{output}", f"score__{output}"}]
    scores["score"] = predictions[raw[0]] if raw else np.nan
    risk = f"prob__{output}"
    scores["has_risk"] = risk in predictions
    scores["risk"] = predictions[risk] if risk in predictions else scores["score"]
    return frame.merge(scores, on="case_id", how="inner", validate="one_to_one")


def has_risk(ref: RunRef, model: str | None, output: str) -> bool:
    """Return whether the output is a probability."""
    frame = scored_cases(ref, model, output)
    return bool(len(frame)) and bool(frame["has_risk"].iloc[0])


@st.cache_data(max_entries=64, show_spinner=False)
def matching_ids(question: Question) -> tuple[str, ...]:
    """Return the ids of the cases asked for, the most telling first.

    Missed cases come by rising risk (the surest miss first), false alarms by falling risk,
    uncertain ones by distance from the threshold, all others by falling risk.
    """
    frame = scored_cases(question.ref, question.model, question.output)
    keep = np.ones(len(frame), dtype=np.bool_)
    if question.with_image:
        keep &= frame["case_id"].isin(list(imaged_cases(question.ref))).to_numpy()
    if question.group is not None:
        name, level = question.group
        keep &= (frame[f"group__{name}"].astype(str) == level).to_numpy()
    risk = frame["risk"].to_numpy(dtype=np.float64)
    order = -risk
    if question.threshold is not None:
        flagged = risk >= question.threshold
        label = frame["label"].astype("float64").to_numpy()
        if question.show == "missed":
            keep &= (label == 1) & ~flagged
            order = risk
        elif question.show == "false_alarm":
            keep &= (label == 0) & flagged
        elif question.show == "found":
            keep &= (label == 1) & flagged
        elif question.show == "uncertain":
            order = np.abs(_logit(risk) - _logit(np.array(question.threshold)))
        elif question.show == "changed":
            keep &= flagged != _other_call(question, frame)
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(order[rows], kind="stable")]
    return tuple(frame["case_id"].iloc[rows].astype(str))


def page_of_cases(question: Question, limit: int) -> tuple[pd.DataFrame, int]:
    """Return the first cases asked for, and how many there are in all."""
    ids = matching_ids(question)
    frame = scored_cases(question.ref, question.model, question.output).set_index("case_id")
    return frame.loc[list(ids[:limit])].reset_index(), len(ids)


def facts(
    ref: RunRef, model: str | None, output: str, case: str, threshold: float | None
) -> CaseFacts | None:
    """Return one case under one model, or None where the run has no such case."""
    frame = scored_cases(ref, model, output)
    rows = frame[frame["case_id"] == case]
    if rows.empty:
        return None
    row = rows.iloc[0]
    label = None if _missing(row["label"]) else int(row["label"])
    score = None if _missing(row["score"]) else float(row["score"])
    value = None if _missing(row["risk"]) else float(row["risk"])
    return CaseFacts(
        case=case,
        risk=value if row["has_risk"] else None,
        score=score,
        label=label,
        outcome=outcome(label, value, threshold),
        groups={
            name.removeprefix("group__"): str(row[name])
            for name in group_columns(frame)
            if not _missing(row[name])
        },
    )


def group_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold groups, in the order of the run."""
    return [str(name) for name in frame if str(name).startswith("group__")]


def levels_of(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the levels of a group column that occur, in the order of the run."""
    present = set(frame[column].astype(str))
    categories = getattr(frame[column].dtype, "categories", None)
    ordered = sorted(present) if categories is None else [str(level) for level in categories]
    return [level for level in ordered if level in present]


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
    frame = scored_cases(ref, model, output)
    return float((frame["risk"] < value).mean())


def _other_call(question: Question, frame: pd.DataFrame) -> Any:
    if question.other is None:
        return frame["risk"].to_numpy() >= (question.threshold or 0)
    model, threshold = question.other
    theirs = scored_cases(question.ref, model, question.output).set_index("case_id")["risk"]
    aligned = theirs.reindex(frame["case_id"]).to_numpy(dtype=np.float64)
    own = frame["risk"].to_numpy(dtype=np.float64) >= (question.threshold or 0)
    limit = question.threshold if threshold is None else threshold
    return np.where(np.isnan(aligned), own, aligned >= (limit or 0))


def _logit(risk: Any) -> Any:
    inside = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def _missing(value: object) -> bool:
    import pandas as pd

    return bool(pd.isna(value))  # type: ignore[call-overload]  # any scalar of a row
