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

from audits.explanations.associations import association_of, word_association
from audits.explanations.cluster_means import cluster_ratios
from audits.types import Estimate

if TYPE_CHECKING:
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
PIXELS = (
    "Pixels and samples are no variables with values of their own: what they tell of a group is "
    "measured by the shortcut audit of models that read them alone."
)

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
    associations, of the value and of being missing, counts. A section of a note stands with its
    most telling word: chosen in one half of the patients, measured in the other, never named.
    Regions of an image are no inputs of this inventory; ``not_covered`` says so.

    Args:
        found: Effects of randomly drawn cases, with the raw inputs.
        attributes: Groups of those cases, in their order.
        seed: Seed of the resamples.

    Returns:
        Plain data: ``bases`` (``basis``, ``columns``, ``state``, ``reason``), ``proxy_from``,
        ``not_covered`` and ``inputs`` per input and basis, strongest first.
    """
    known = {basis: _columns_of(attributes, names) for basis, names in BASES.items()}
    inputs = []
    shares_of = _shares(found, seed)
    for feature, origin, shares in zip(found.features, found.origins, shares_of, strict=True):
        if origin.kind == "region":
            continue
        own = (origin.variable or "").lower()
        for basis, columns in known.items():
            nobody: list[Attribute | None] = [None] if own in BASES[basis] else []
            for attribute in columns or nobody:
                entry = _entry(found, feature, own, basis, attribute, seed)
                inputs.append({**entry, "shares": shares})
    order = {"measures": 0, "proxy": 1, "none": 2}
    inputs.sort(key=lambda one: (order[one["role"]], -(one["association"]["value"] or 0.0)))
    return {
        "bases": [_state(basis, columns, inputs) for basis, columns in known.items()],
        "proxy_from": PROXY,
        "cases": len(found.case_ids),
        "not_covered": _not_covered(found),
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
        "not_covered": [],
        "inputs": [],
        "reason": reason,
    }


def _not_covered(found: GlobalEffects) -> list[dict[str, str]]:
    """Return the inputs that are pixels or samples, with the reason."""
    regions = [
        feature.name
        for feature, origin in zip(found.features, found.origins, strict=True)
        if origin.kind == "region"
    ]
    names = dict.fromkeys(name.split(":")[0] for name in regions)
    return [{"name": name, "reason": PIXELS} for name in names]


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
    found: GlobalEffects,
    feature: Feature,
    variable: str,
    basis: str,
    attribute: Attribute | None,
    seed: int,
) -> dict[str, Any]:
    own = variable in BASES[basis]
    words = found.words.get(feature.name)
    if attribute is None:
        measure, association = "", Estimate.undefined("the study has no group of this basis")
    elif words is not None:
        association = word_association(
            words, attribute.codes.astype(np.int64), found.patients, seed
        )
        measure = "cramers_v_word"
    else:
        own = own or variable == attribute.column.lower()
        values = found.raw[feature.name]
        measure, association = association_of(values, attribute, found.patients, seed)
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
