"""Data quality of a cohort: what is missing, doubled, implausible or uneven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute, LabelColumn
from model_adapters.base import Feature


def missing_values(frame: pd.DataFrame, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Return, for each column, how many cases have no value."""
    n = len(frame)
    counts = frame[list(dict.fromkeys(columns))].isna().sum()
    return [
        {"variable": str(name), "n": n, "missing": int(count), "share": count / n}
        for name, count in counts.items()
    ]


def repeated_patients(patients: npt.NDArray[Any] | None) -> dict[str, Any]:
    """Return how many patients have more than one case."""
    if patients is None:
        return {"state": "not_available", "reason": "No patient column is declared."}
    per_patient = np.bincount(patients)
    return {
        "state": "computed",
        "patients": int((per_patient > 0).sum()),
        "with_repeats": _count(int((per_patient > 1).sum())),
        "most_cases_of_one_patient": int(per_patient.max(initial=0)),
    }


def doubled_rows(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """Return how many rows repeat another one in every named column."""
    if not columns:
        return {"state": "not_available", "reason": "No column identifies a row's content."}
    doubled = int(frame.duplicated(subset=list(columns)).sum())
    return {"state": "computed", "rows": _count(doubled), "columns": list(columns)}


def implausible_values(frame: pd.DataFrame, variables: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return, for each numeric variable with a reference range, how many values are far off.

    Far off means further outside the range than ten times its width: a unit error, not a sick
    patient.
    """
    found = []
    for variable in variables:
        low, high = variable.normal or (None, None)
        if variable.kind != "numeric" or low is None or high is None or high <= low:
            continue
        values = pd.to_numeric(frame[variable.name], errors="coerce").to_numpy(dtype=float)
        reach = 10 * (high - low)
        measured = np.isfinite(values)
        far = measured & ((values < low - reach) | (values > high + reach))
        found.append(
            {
                "variable": variable.name,
                "unit": variable.unit,
                "range": [low - reach, high + reach],
                "n": int(measured.sum()),
                "k": int(far.sum()),
            }
        )
    return found


def shared_patients(
    table: pd.DataFrame, patient: str | None, split: str | None
) -> list[dict[str, Any]]:
    """Return, for each pair of splits, how many patients are in both."""
    if patient is None or split is None:
        return []
    known = table[[patient, split]].dropna().astype(str)
    members = {str(name): set(part[patient]) for name, part in known.groupby(split)}
    names = sorted(members)
    return [
        {"splits": [a, b], "patients": len(members[a] & members[b])}
        for at, a in enumerate(names)
        for b in names[at + 1 :]
    ]


def prevalence(
    labels: Mapping[str, LabelColumn], attributes: Sequence[Attribute]
) -> list[dict[str, Any]]:
    """Return the prevalence of each label by site, and overall where no site is declared."""
    sites = [a for a in attributes if a.kind == "site"]
    found = []
    for name, label in labels.items():
        if label.target is not None:
            continue
        found.append({"label": name, "attribute": None, **_share(label.values, label.known)})
        for site in sites:
            for code, level in enumerate(site.levels):
                rows = label.known & (site.codes == code)
                entry = _share(label.values, rows)
                found.append({"label": name, "attribute": site.name, "level": level, **entry})
    return found


def prevalence_by_month(
    times: pd.Series | None, labels: Mapping[str, LabelColumn]
) -> dict[str, Any]:
    """Return the prevalence of each label in each calendar month.

    Args:
        times: Time of each case, dates or texts that hold one; None where none is declared.
        labels: By name, aligned to ``times``.
    """
    if times is None:
        return {"state": "not_available", "reason": "No time column is declared."}
    # A bare number is no date: it would be read as nanoseconds since 1970.
    known = times.astype("object")
    if pd.api.types.is_numeric_dtype(times.dtype):
        known = known.mask(known.notna())
    read = pd.to_datetime(known, errors="coerce", utc=True, format="ISO8601")
    months = read.dt.strftime("%Y-%m")
    if months.isna().all():
        reason = f"The column {times.name!r} holds no date as ISO 8601 writes it."
        return {"state": "not_available", "reason": reason}
    named = months.fillna("").to_numpy(dtype=object)
    found = []
    for name, label in labels.items():
        if label.target is not None:
            continue
        for month in sorted({str(month) for month in named if month}):
            entry = _share(label.values, label.known & (named == month))
            found.append({"label": name, "month": month, **entry})
    return {"state": "computed", "undated": _count(int(months.isna().sum())), "months": found}


def _share(values: npt.NDArray[np.int8], rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
    n = int(rows.sum())
    k = int((values[rows] == 1).sum())
    return {"k": k, "n": n, "share": k / n if n else None}


def _count(count: int) -> dict[str, int]:
    """Hold a count in an object of its own, so that masking it leaves its neighbours shown."""
    return {"count": count}
