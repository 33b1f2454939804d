"""Which inputs measure or stand proxy for a protected basis, and what share they have in scores.

45 CFR 92.210(b) asks for the use of input variables or factors that measure race, color, national
origin, sex, age or disability. What measures one is known from the study's own columns; what may
stand proxy for one is measured as an association in the audited cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from audits.explanations.cluster_means import cluster_ratios, resamples
from audits.types import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from audits.cohorts import Attribute
    from audits.explanations.global_effects import GlobalEffects
    from model_adapters.base import Feature

BASES: Mapping[str, tuple[str, ...]] = {
    "race": ("race", "race_ethnicity"),
    "color": ("color", "colour", "skin_tone", "skin_colour", "skin_color"),
    "national_origin": ("national_origin", "ethnicity", "language", "country_of_birth"),
    "sex": ("sex", "gender"),
    "age": ("age", "age_band", "age_years", "age_group"),
    "disability": ("disability", "disabled"),
}
PROXY = 0.3
RESAMPLES = 200
MOST_LEVELS = 30

Role = Literal["measures", "proxy", "none"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def protected_inventory(
    found: GlobalEffects, attributes: Sequence[Attribute], *, seed: int = 0
) -> dict[str, Any]:
    """Return the inventory of one model's inputs.

    An input *measures* a basis where it is the study's own column of it, and is a *proxy* where
    the lower limit of its association is at least 0.3. The association is the square root of the
    share of variance in the input's ranks that the basis explains (eta), and Cramér's V for
    categories; a missing value is a category, and for numbers of its own the larger of both
    associations, of the value and of being missing, counts.

    Args:
        found: Effects of randomly drawn cases, with the raw inputs.
        attributes: Groups of those cases, in their order.
        seed: Seed of the resamples.

    Returns:
        Plain data: ``bases`` (``basis``, ``columns``, ``state``, ``reason``), ``proxy_from`` and
        ``inputs`` per input and basis, strongest first.
    """
    known = {basis: _columns_of(attributes, names) for basis, names in BASES.items()}
    inputs = []
    shares_of = _shares(found, seed)
    for feature, shares in zip(found.features, shares_of, strict=True):
        for basis, columns in known.items():
            measures = feature.name.lower() in BASES[basis]
            nobody: list[Attribute | None] = [None] if measures else []
            for attribute in columns or nobody:
                values = found.raw[feature.name]
                entry = _entry(feature, values, basis, attribute, found.patients, seed)
                inputs.append({**entry, "shares": shares})
    order = {"measures": 0, "proxy": 1, "none": 2}
    inputs.sort(key=lambda one: (order[one["role"]], -(one["association"]["value"] or 0.0)))
    return {
        "bases": [_state(basis, columns, inputs) for basis, columns in known.items()],
        "proxy_from": PROXY,
        "cases": len(found.case_ids),
        "inputs": inputs,
    }


def no_inventory(reason: str) -> dict[str, Any]:
    """Return the inventory of a model whose inputs are no variables."""
    return {
        "bases": [
            {"basis": basis, "columns": [], "state": "not_available", "reason": reason}
            for basis in BASES
        ],
        "proxy_from": PROXY,
        "cases": 0,
        "inputs": [],
        "reason": reason,
    }


def _columns_of(attributes: Sequence[Attribute], names: Sequence[str]) -> list[Attribute]:
    """Return the study's groups of a basis, each column once."""
    found: dict[str, Attribute] = {}
    for attribute in attributes:
        if {attribute.name.lower(), attribute.column.lower()} & set(names):
            found.setdefault(attribute.column, attribute)
    return list(found.values())


def _state(
    basis: str, columns: Sequence[Attribute], inputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    if columns:
        names = [attribute.column for attribute in columns]
        return {"basis": basis, "columns": names, "state": "computed", "reason": None}
    measured = any(one["basis"] == basis for one in inputs)
    reason = f"The study has no group of {basis.replace('_', ' ')}, so proxies cannot be measured."
    return {
        "basis": basis,
        "columns": [],
        "state": "computed" if measured else "not_available",
        "reason": reason,
    }


def _entry(
    feature: Feature,
    values: pd.Series[Any],
    basis: str,
    attribute: Attribute | None,
    patients: Ints,
    seed: int,
) -> dict[str, Any]:
    own = feature.name.lower() in BASES[basis]
    if attribute is None:
        measure, association = "", Estimate.undefined("the study has no group of this basis")
    else:
        own = own or feature.name == attribute.column
        measure, association = _association(values, attribute, patients, seed)
    proxy = association.low is not None and association.low >= PROXY
    role: Role = "measures" if own else "proxy" if proxy else "none"
    return {
        "name": feature.name,
        "label": feature.label,
        "basis": basis,
        "column": attribute.column if attribute else None,
        "role": role,
        "declared_protected": feature.protected,
        "association": association.to_dict(),
        "association_measure": measure,
    }


def _shares(found: GlobalEffects, seed: int) -> list[list[dict[str, Any]]]:
    """Return every input's share of attribution in every output."""
    out: list[list[dict[str, Any]]] = [[] for _ in found.features]
    for index, name in enumerate(found.outputs):
        absolute = np.abs(found.effects[:, : len(out), index])
        whole = np.abs(found.effects[:, :, index]).sum(axis=1)
        means = np.abs(found.effects[:, :, index]).mean(axis=0)
        for place, share in enumerate(cluster_ratios(absolute, whole, found.patients, seed)):
            rank = 1 + int((means > means[place]).sum())
            out[place].append({"output": name, "share": share.to_dict(), "rank": rank})
    return out


def _association(
    values: pd.Series[Any], attribute: Attribute, patients: Ints, seed: int
) -> tuple[str, Estimate]:
    """Return the stronger association of the value and of its being missing."""
    codes = np.asarray(attribute.codes, dtype=np.int64)
    missing = values.isna().to_numpy(dtype=bool)
    found = []
    if _is_number(values):
        found.append(("eta", _eta(values[~missing], codes[~missing], patients[~missing], seed)))
        if missing.any() and not missing.all():
            absent = _cramer(missing.astype(np.int64), codes, patients, seed)
            found.append(("cramers_v_missing", absent))
    else:
        texts = values.astype("string").fillna("not measured").to_numpy(dtype=str)
        _, levels = np.unique(texts, return_inverse=True)
        if levels.max(initial=0) >= MOST_LEVELS:
            return "", Estimate.undefined(f"more than {MOST_LEVELS} categories")
        found.append(("cramers_v", _cramer(levels, codes, patients, seed)))
    return max(found, key=lambda one: -1.0 if one[1].value is None else one[1].value)


def _is_number(values: pd.Series[Any]) -> bool:
    return values.dtype.kind in "iuf" and values.nunique() > 2  # noqa: PLR2004 - yes and no is no scale


def _eta(values: pd.Series[Any], codes: Ints, patients: Ints, seed: int) -> Estimate:
    ranks = values.rank().to_numpy(dtype=float)
    levels = np.eye(int(codes.max(initial=0)) + 1)[codes]
    moments = np.column_stack([levels, levels * ranks[:, None], ranks, ranks**2])
    return _resampled(moments, patients, seed, _eta_of_sums, len(values))


def _eta_of_sums(sums: Floats) -> Floats:
    """Return eta from sums of levels, of ranks per level, of ranks and of their squares."""
    count = (sums.shape[1] - 2) // 2
    size, within = sums[:, :count], sums[:, count : 2 * count]
    total, mean = size.sum(axis=1), sums[:, -2] / size.sum(axis=1)
    between = np.divide(within**2, size, out=np.zeros_like(size), where=size > 0).sum(axis=1)
    whole = sums[:, -1] - total * mean**2
    share = np.divide(
        between - total * mean**2, whole, out=np.full_like(whole, np.nan), where=whole > 0
    )
    return np.asarray(np.sqrt(np.maximum(share, 0.0)))


def _cramer(levels: Ints, codes: Ints, patients: Ints, seed: int) -> Estimate:
    columns = int(codes.max(initial=0)) + 1
    cells = np.eye((int(levels.max(initial=0)) + 1) * columns)[levels * columns + codes]
    rows = int(levels.max(initial=0)) + 1
    return _resampled(
        cells, patients, seed, lambda sums: _cramer_of_cells(sums, rows, columns), len(levels)
    )


def _cramer_of_cells(sums: Floats, rows: int, columns: int) -> Floats:
    table = sums.reshape(-1, rows, columns)
    total = table.sum(axis=(1, 2))
    expected = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :]
    expected = expected / total[:, None, None]
    squares = np.divide(
        (table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0
    ).sum(axis=(1, 2))
    used = np.minimum((table.sum(axis=2) > 0).sum(axis=1), (table.sum(axis=1) > 0).sum(axis=1)) - 1
    share = np.divide(squares, total * used, out=np.full_like(total, np.nan), where=used > 0)
    return np.asarray(np.sqrt(share))


def _resampled(moments: Floats, patients: Ints, seed: int, of_sums: Any, count: int) -> Estimate:
    """Return a statistic of sums over cases with an interval from resampled patients."""
    codes, membership = np.unique(patients, return_inverse=True)
    if len(codes) < 2:  # noqa: PLR2004 - one patient has no spread
        return Estimate.undefined("fewer than two patients have a value")
    sums = np.zeros((len(codes), moments.shape[1]))
    np.add.at(sums, membership, moments)
    value = float(of_sums(sums.sum(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return Estimate.undefined("the input or the basis has only one value")
    low, high = np.nanquantile(
        of_sums(resamples(len(codes), seed)[:RESAMPLES] @ sums), (0.025, 0.975)
    )
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        n=count,
        n_patients=len(codes),
        method="percentile bootstrap by patient",
    )
