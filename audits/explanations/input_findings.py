"""What a reader must know of a patient's inputs before reading any effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.types import Finding

if TYPE_CHECKING:
    import pandas as pd

    from audits.explanations.backgrounds import Background
    from model_adapters.base import Feature

FAR = 10.0
"""Widths of the reference range; further out is a unit error and no sick patient."""
MARGIN = 0.25

Floats = npt.NDArray[np.floating[Any]]


def input_findings(
    case: str, features: Sequence[Feature], values: pd.Series[Any], cohort: pd.DataFrame
) -> tuple[Finding, ...]:
    """Return one finding per way in which a patient lies outside what the model can know.

    Args:
        case: Case id; no value of the patient is repeated.
        features: The model's variables, with ranges and known categories.
        values: The patient's own values by name.
        cohort: The background's values.
    """
    absent = values[[feature.name for feature in features]].isna()
    if absent.all():
        return (_finding(case, "None of the variables was measured in this patient."),)
    known = [feature for feature in features if not absent[feature.name]]
    return tuple(_finding(case, message) for message in _messages(known, values, cohort))


def measured_findings(
    case: str, features: Sequence[Feature], grid: Floats, cohort: Floats
) -> tuple[Finding, ...]:
    """Return the same of measurements over time, by each variable's most extreme one.

    Among hundreds of values somebody's is the largest, so that the background is exceeded only
    where it is by a quarter of its own range.

    Args:
        case: Case id; no value of the patient is repeated.
        features: The sequence's variables, with their reference ranges.
        grid: (steps, variables) values of the patient; NaN where none is.
        cohort: (patients, steps, variables) values of the background.
    """
    import pandas as pd

    names = [feature.name for feature in features]
    known = np.flatnonzero(np.isfinite(grid).any(axis=0))
    others = cohort.reshape(-1, len(names))
    values, there = {}, {}
    for at in map(int, known):
        own, theirs = grid[:, at], others[:, at][np.isfinite(others[:, at])]
        low, high = features[at].normal or (None, None)
        middle = float(np.nanmedian(own)) if low is None or high is None else (low + high) / 2
        values[names[at]] = float(own[np.nanargmax(np.abs(own - middle))])
        span = MARGIN * float(np.ptp(theirs)) if len(theirs) else 0.0
        edges = (theirs.min() - span, theirs.max() + span) if len(theirs) else (np.nan, np.nan)
        there[names[at]] = [float(edge) for edge in edges]
    asked = [features[int(at)] for at in known]
    messages = _messages(asked, pd.Series(values, dtype=float), pd.DataFrame(there, dtype=float))
    return tuple(_finding(case, message) for message in messages)


def lone_background(case: str, background: Background) -> Finding:
    """Return what to say of a background of one row: it is no cohort.

    Args:
        case: Case id.
        background: Of one row.
    """
    message = (
        "The background is a single case, so effects compare two cases and tell nothing of a cohort"
        if background.others(case).any()
        else "The background is this case alone, so every effect against it is 0"
    )
    return _finding(case, f"{message}; add cases to the study, or name another background.")


def _messages(
    features: Sequence[Feature], values: pd.Series[Any], cohort: pd.DataFrame
) -> Iterator[str]:
    far = [one.label for one in features if _is_far(one, values[one.name])]
    if far:
        yield (
            f"{_listed(far)}: further outside of the reference range than {FAR:.0f} times its "
            "width; check the unit before reading effects."
        )
    unseen = [one.label for one in features if _is_unseen(one, values[one.name])]
    if unseen:
        yield (
            f"{_listed(unseen)}: a category that the model was not trained on; it is treated as "
            "none of the known ones."
        )
    beyond = [
        one.label
        for one in features
        if one.label not in far and _is_beyond(values[one.name], cohort[one.name])
    ]
    if beyond:
        yield (
            f"{_listed(beyond)}: outside of everybody in the background; if the unit is right, "
            "effects extrapolate there."
        )


def _is_far(feature: Feature, value: Any) -> bool:
    low, high = feature.normal or (None, None)
    if low is None or high is None or high <= low or not _is_number(value):
        return False
    reach = FAR * (high - low)
    return bool(value < low - reach or value > high + reach)


def _is_unseen(feature: Feature, value: Any) -> bool:
    return (
        feature.kind == "category" and bool(feature.levels) and _text(value) not in feature.levels
    )


def _text(value: Any) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _is_beyond(value: Any, others: pd.Series[Any]) -> bool:
    if not _is_number(value) or others.dtype.kind not in "iuf" or others.isna().all():
        return False
    return bool(value < others.min() or value > others.max())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels)


def _finding(case: str, message: str) -> Finding:
    return Finding(severity="warning", where=f"explanation.{case}", message=message)
