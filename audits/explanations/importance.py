"""Global importance with intervals, overall and by subgroup, and what the care process leaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.cluster_means import cluster_means, cluster_ratios

if TYPE_CHECKING:
    from audits.cohorts import Attribute
    from audits.explanations.global_effects import GlobalEffects

LEADING = 10
FEWEST_IN_GROUP = 20
LEAK_SHARE = 0.02
LEAK_RANK = 10

Floats = npt.NDArray[np.float64]


def global_summary(
    found: GlobalEffects, attributes: Sequence[Attribute], *, seed: int = 0
) -> dict[str, Any]:
    """Return importance, importance by subgroup and care-process leakage of one model.

    Args:
        found: Effects of randomly drawn cases.
        attributes: Groups of those cases, in their order.
        seed: Seed of the resamples.

    Returns:
        Plain data: ``cases``, ``patients``, ``method``, ``background``, ``unit`` and per output
        ``importance`` (ESTIMATEs by patient bootstrap), ``by_group`` (the ten leading variables
        in every level with 20 cases), ``care_process`` and, where effects are not split,
        ``care_process_reason``.
    """
    return {
        "cases": len(found.case_ids),
        "patients": len(np.unique(found.patients)),
        "method": found.method,
        "background": found.background.to_dict(),
        "unit": found.unit,
        "findings": [one.to_dict() for one in found.findings],
        "outputs": [_output(found, attributes, index, seed) for index in range(len(found.outputs))],
    }


def _output(
    found: GlobalEffects, attributes: Sequence[Attribute], index: int, seed: int
) -> dict[str, Any]:
    effects = found.effects[:, :, index]
    importance = _importance(found, effects, found.patients, seed)
    leading = [entry["name"] for entry in importance[:LEADING]]
    return {
        "name": found.outputs[index],
        "importance": importance,
        "by_group": _by_group(found, effects, attributes, leading, seed),
        "care_process": _care_process(found, index, seed),
        "care_process_reason": found.unsplit,
    }


def _importance(
    found: GlobalEffects, effects: Floats, patients: npt.NDArray[np.int64], seed: int
) -> list[dict[str, Any]]:
    absolute = np.abs(effects)
    sizes = cluster_means(absolute, patients, seed)
    signed = cluster_means(effects, patients, seed)
    shares = cluster_ratios(absolute, absolute.sum(axis=1), patients, seed)
    order = np.argsort(-absolute.mean(axis=0), kind="stable")
    return [
        {
            "name": found.features[place].name,
            "label": found.features[place].label,
            "unit": found.features[place].unit,
            "rank": rank,
            "mean_absolute_effect": sizes[place].to_dict(),
            "mean_effect": signed[place].to_dict(),
            "share": shares[place].to_dict(),
        }
        for rank, place in enumerate(order, start=1)
    ]


def _by_group(
    found: GlobalEffects,
    effects: Floats,
    attributes: Sequence[Attribute],
    leading: Sequence[str],
    seed: int,
) -> list[dict[str, Any]]:
    out = []
    for attribute in attributes:
        for code, level in enumerate(attribute.levels):
            rows = np.flatnonzero(attribute.codes == code)
            if len(rows) == 0:
                continue
            entry: dict[str, Any] = {
                "attributes": {attribute.name: level},
                "n": len(rows),
                "patients": len(np.unique(found.patients[rows])),
            }
            if len(rows) < FEWEST_IN_GROUP:
                entry["importance"] = []
                entry["reason"] = f"fewer than {FEWEST_IN_GROUP} of the drawn cases"
            else:
                own = _importance(found, effects[rows], found.patients[rows], seed)
                entry["importance"] = [one for one in own if one["name"] in leading]
            out.append(entry)
    return out


def _care_process(found: GlobalEffects, index: int, seed: int) -> list[dict[str, Any]]:
    """Return variables whose being measured moves the score, largest first.

    That a test was ordered tells what somebody feared, not what the patient has: a model that
    lives on it fails where orders follow other habits.
    """
    parts = found.measured[:, :, index]
    split = ~np.isnan(parts).all(axis=1)
    effects = np.abs(found.effects[split, :, index])
    parts, patients = parts[split], found.patients[split]
    asked = np.flatnonzero(~np.isnan(parts).all(axis=0)) if len(parts) else np.empty(0, dtype=int)
    if not len(asked):
        return []
    size = np.abs(np.nan_to_num(parts[:, asked]))
    # Where an effect splits in two, being measured and the value are ranked as two players.
    values = effects.copy()
    values[:, asked] = np.abs(
        found.effects[split][:, asked, index] - np.nan_to_num(parts[:, asked])
    )
    everybody = np.concatenate([values.mean(axis=0), size.mean(axis=0)])
    whole = size.sum(axis=1) + values.sum(axis=1)
    means = cluster_means(size, patients, seed)
    shares = cluster_ratios(size, whole, patients, seed)
    names = [feature.name for feature in found.features]
    missing = found.raw[[names[place] for place in asked]].isna().to_numpy(dtype=float)
    absent = cluster_means(missing, found.patients, seed)
    out = []
    for place, player in enumerate(asked):
        rank = 1 + int((everybody > size[:, place].mean()).sum())
        low = shares[place].low
        leaks = rank <= LEAK_RANK and low is not None and low >= LEAK_SHARE
        out.append(
            {
                "name": names[player],
                "label": found.features[player].label,
                "rank": rank,
                "not_measured": absent[place].to_dict(),
                "mean_absolute_effect": means[place].to_dict(),
                "share": shares[place].to_dict(),
                "leaks": leaks,
            }
        )
    return sorted(out, key=lambda entry: entry["rank"])
