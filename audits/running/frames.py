"""The per-case tables that stay on site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute, LabelColumn


def cases_frame(  # noqa: PLR0913 - a column or a family of columns each
    case_ids: Sequence[str],
    patients: npt.NDArray[Any] | None,
    labels: Mapping[str, LabelColumn],
    attributes: Sequence[Attribute],
    weights: npt.NDArray[np.float64] | None = None,
    *,
    times: Mapping[str, npt.NDArray[np.float64]] | None = None,
    images: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return case_id, patient (a code), ``label__NAME`` and ``group__NAME``, one row per case.

    A missing label is null; outcomes that are numbers stand as they are. A weighted cohort has a
    column ``weight``, too; an outcome with a time ``time__NAME``, and marks of a detection the
    ``image`` that they lie in.
    """
    columns: dict[str, Any] = {"case_id": pd.array(list(case_ids), dtype="str")}
    if patients is not None:
        columns["patient"] = patients
    for name, label in labels.items():
        if label.target is not None:
            columns[f"label__{name}"] = label.target
        else:
            columns[f"label__{name}"] = pd.arrays.IntegerArray(
                np.maximum(label.values, 0), ~label.known
            )
    if weights is not None:
        columns["weight"] = weights
    columns |= {f"time__{name}": time for name, time in (times or {}).items()}
    if images is not None:
        columns["image"] = pd.array(list(images), dtype="str")
    for attribute in attributes:
        levels = pd.Index(attribute.levels, dtype="str")
        columns[f"group__{attribute.name}"] = pd.Categorical.from_codes(attribute.codes, levels)
    return pd.DataFrame(columns)


def predictions_frame(
    case_ids: Sequence[str],
    prefix: str,
    scores: Mapping[str, npt.NDArray[np.float64]],
    probabilities: Mapping[str, npt.NDArray[np.float64]],
) -> pd.DataFrame:
    """Return case_id, ``<prefix>__NAME`` and ``prob__NAME`` where there is a probability.

    Args:
        case_ids: One per row.
        prefix: ``logit`` or ``score``.
        scores: Model output by output name, float64 (n,).
        probabilities: Probability by output name, float64 (n,).
    """
    columns: dict[str, Any] = {"case_id": pd.array(list(case_ids), dtype="str")}
    columns |= {f"{prefix}__{name}": values for name, values in scores.items()}
    columns |= {f"prob__{name}": values for name, values in probabilities.items()}
    return pd.DataFrame(columns)
