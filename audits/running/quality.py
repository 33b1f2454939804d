"""Data quality of a cohort: what is missing, doubled, implausible or uneven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts import Attribute, LabelColumn
from audits.cohorts.codes import check_code, coded_columns
from audits.fairness.intervals import wilson
from audits.fairness.rates import Z95
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


def doubled_rows(
    frame: pd.DataFrame, columns: Sequence[str], patients: npt.NDArray[Any] | None = None
) -> dict[str, Any]:
    """Return how many rows repeat another one in every named column.

    Args:
        frame: The cases.
        columns: Columns that make up a row's content.
        patients: Patient of each row; repeats under another patient are counted apart, because
            one person may stand there twice.
    """
    if not columns:
        return {"state": "not_available", "reason": "No column identifies a row's content."}
    doubled = int(frame.duplicated(subset=list(columns)).sum())
    out = {"state": "computed", "rows": _count(doubled), "columns": list(columns)}
    if patients is not None:
        repeats = frame.duplicated(subset=list(columns), keep=False).to_numpy()
        among = frame.loc[repeats, list(columns)].assign(_patient=patients[repeats])
        others = among.groupby(list(columns), dropna=False)["_patient"].nunique()
        out["under_other_patients"] = _count(int((others - 1).clip(lower=0).sum()))
    return out


def code_systems(
    frame: pd.DataFrame, variables: Sequence[Feature], *, ids: Sequence[str | None] = ()
) -> dict[str, Any]:
    """Return which codes of variables and columns belong to a known system, and which do not.

    Args:
        frame: The cases; its columns of texts are looked at.
        variables: Clinical variables with the codes that the study gives them.
        ids: Columns that name cases or patients: C0042 is no diagnosis.
    """
    checked = [(one.name, check_code(one.code)) for one in variables if one.code]
    described = {one.name for one in variables} | set(ids)
    texts = [str(name) for name in frame.columns if str(name) not in described]
    return {
        "variables": [
            {
                "variable": name,
                "system": one.system,
                "code": one.code,
                "state": one.state,
                "reason": one.reason,
            }
            for name, one in checked
        ],
        "without_code": [one.name for one in variables if not one.code],
        "columns": [
            {"variable": one.column, "system": one.system, "k": one.recognised, "n": one.filled}
            for one in coded_columns(frame, texts)
        ],
    }


def units(frame: pd.DataFrame, variables: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return the unit of each numeric variable, and whether values fit another unit better.

    A value outside ten widths of the reference range that lies within one width of it once it is
    converted by a customary factor was most likely written in the other unit.
    """
    found = []
    for variable in variables:
        if variable.kind != "numeric" or _is_flag(frame, variable.name):
            continue
        entry: dict[str, Any] = {
            "variable": variable.name,
            "label": variable.label,
            "unit": variable.unit,
            "state": "declared" if variable.unit else "not_declared",
            "doubts": [],
        }
        low, high = variable.normal or (None, None)
        if low is not None and high is not None and high > low and variable.name in frame.columns:
            values = pd.to_numeric(frame[variable.name], errors="coerce").to_numpy(dtype=float)
            entry["doubts"] = _unit_doubts(values, low, high)
        found.append(entry)
    return found


def _is_flag(frame: pd.DataFrame, name: str) -> bool:
    """Say whether a variable only says yes or no, which has no unit."""
    if name not in frame.columns:
        return False
    held = pd.to_numeric(frame[name], errors="coerce").dropna().unique()
    return set(held.tolist()) <= {0.0, 1.0}


_CONVERSIONS: Sequence[tuple[str, float, float]] = (
    ("°F to °C", 5 / 9, -160 / 9),
    ("K to °C", 1.0, -273.15),
    ("mg/dL to mmol/L of glucose", 1 / 18.016, 0.0),
    ("mmol/L to mg/dL of glucose", 18.016, 0.0),
    ("µmol/L to mg/dL of creatinine", 1 / 88.42, 0.0),
    ("mg/dL to µmol/L of creatinine", 88.42, 0.0),
    ("µmol/L to mg/dL of bilirubin", 1 / 17.104, 0.0),
    ("mg/dL to mmol/L of lactate", 1 / 9.008, 0.0),
    ("mmol/L to mg/dL of urea nitrogen", 2.801, 0.0),
    ("g/L to g/dL", 0.1, 0.0),
    ("g/dL to g/L", 10.0, 0.0),
    ("a factor of 1,000 less", 1e-3, 0.0),
    ("a factor of 1,000 more", 1e3, 0.0),
)


def _unit_doubts(values: npt.NDArray[np.float64], low: float, high: float) -> list[dict[str, Any]]:
    """Return the conversion that most far values call for, with how many fit it."""
    width = high - low
    far = values[np.isfinite(values) & ((values < low - 10 * width) | (values > high + 10 * width))]
    if not len(far):
        return []
    hits = [
        int(((far * a + b >= low - width) & (far * a + b <= high + width)).sum())
        for _, a, b in _CONVERSIONS
    ]
    best = int(np.argmax(hits))
    if not hits[best]:
        return []
    return [{"conversion": _CONVERSIONS[best][0], "k": hits[best], "n": len(far)}]


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
    return share_of(int((values[rows] == 1).sum()), int(rows.sum()))


def share_of(k: int, n: int) -> dict[str, Any]:
    """Return k of n with its share and Wilson limits, on rows."""
    if not n:
        return {"k": k, "n": n, "share": None, "low": None, "high": None}
    low, high = (float(limit) for limit in wilson(k / n, n, Z95))
    return {"k": k, "n": n, "share": k / n, "low": low, "high": high}


def _count(count: int) -> dict[str, int]:
    """Hold a count in an object of its own, so that masking it leaves its neighbours shown."""
    return {"count": count}
