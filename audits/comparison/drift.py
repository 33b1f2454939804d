"""Explanation drift: the same case, the same call, and another reason for it.

An attribution is a signed vector over variables, or a signed map. Two of them are apart by half
the sum of absolute differences after each was scaled to a sum of absolute values of 1: 0 where
both give the same reasons in the same proportions, 1 where they share none. How strongly a version
leans on its reasons is not compared, only on which.

A distance says something only beside what it is without a change: re-running one version with
another seed of everything drawn, and, where one is at hand, the same version trained again with
another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import zoom
from scipy.special import stdtrit

from audits.fairness.types import Grouping
from audits.types import Estimate

Floats = npt.NDArray[np.float64]
DriftVerdict = Literal["beyond_noise", "within_noise", "inconclusive", "not_evaluable"]

LISTED = 10
"""Cases that moved most, named per output."""
PATH_DEPENDENT = "tree_path"
REFUSED = (
    "path-dependent effects (tree_path, the fast view) and interventional ones answer different "
    "questions and are not compared; explain both versions by the same method"
)
FEWEST = 5
"""Cases that a mean distance is made of, at least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reason:
    """Why a version gave a case its score.

    Attributes:
        case: Case id.
        output: Name of the output.
        method: Method of the explanation.
        names: Variables, (players,); empty for a map.
        values: Their signed effects, (players,), or the signed map on the method's own grid.
    """

    case: str
    output: str
    method: str
    names: tuple[str, ...]
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What both versions said of a case beside its reasons.

    Attributes:
        base: Score of the base, on the threshold's scale.
        candidate: Score of the candidate.
        same_call: Whether both are on the same side of their thresholds; None without them.
    """

    base: float
    candidate: float
    same_call: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Who the compared cases are.

    Attributes:
        ids: Case ids.
        patients: Patient code of each, or None.
        attributes: Groups, aligned to ``ids``.
    """

    ids: tuple[str, ...]
    patients: npt.NDArray[Any] | None
    attributes: tuple[Grouping, ...]


def distance(first: Reason, second: Reason) -> float | None:
    """Return how far two reasons for one score are apart, 0 to 1.

    Returns:
        None where neither gives any reason; 1 where only one does.
    """
    a, b = _aligned(first, second)
    size_a, size_b = float(np.abs(a).sum()), float(np.abs(b).sum())
    if size_a == 0 and size_b == 0:
        return None
    if size_a == 0 or size_b == 0:
        return 1.0
    return float(np.abs(a / size_a - b / size_b).sum() / 2)


def comparable(first: Reason, second: Reason) -> bool:
    """Return whether two reasons are over things that can be set side by side.

    Effects of variables are where they answer one question: interventional ones, however they
    were computed, or path-dependent ones on both sides. A variable that one version lacks has no
    effect there. Maps are where one method made both.
    """
    if first.names and second.names:
        return not _other_question(first, second)
    same_kind = not first.names and not second.names and first.values.ndim == second.values.ndim
    return same_kind and first.method == second.method


def _other_question(first: Reason, second: Reason) -> bool:
    """Return whether one side holds the path-dependent fast view of a tree model."""
    return (first.method == PATH_DEPENDENT) != (second.method == PATH_DEPENDENT)


def _aligned(first: Reason, second: Reason) -> tuple[Floats, Floats]:
    if first.names:
        names = list(dict.fromkeys([*first.names, *second.names]))
        sides = []
        for one in (first, second):
            known = dict(zip(one.names, one.values.tolist(), strict=True))
            sides.append(np.array([known.get(name, 0.0) for name in names]))
        return sides[0], sides[1]
    shape = np.maximum(first.values.shape, second.values.shape)
    return _on_grid(first.values, shape), _on_grid(second.values, shape)


def _on_grid(values: Floats, shape: npt.NDArray[Any]) -> Floats:
    if values.shape == tuple(shape):
        return values
    factors = shape / np.array(values.shape)
    return np.asarray(zoom(values, factors, order=1, grid_mode=True, mode="nearest"))


def output_drift(
    name: str,
    pairs: Mapping[str, tuple[Reason, Reason]],
    shown: Mapping[str, Shown],
    cases: Cases,
    *,
    rerun: Sequence[tuple[Reason, Reason]],
    reseeded: Sequence[tuple[Reason, Reason]],
) -> dict[str, Any]:
    """Return the drift of one output.

    Args:
        name: Name of the output.
        pairs: Case id to both versions' reasons.
        shown: Case id to both versions' scores.
        cases: Who the cases are.
        rerun: One version's reasons twice, everything drawn anew.
        reseeded: The base's reasons and those of the same model trained again.

    Returns:
        Plain data of ``comparison.explanation_drift.outputs``.
    """
    apart = {case: distance(*pair) for case, pair in pairs.items() if comparable(*pair)}
    known = {case: value for case, value in apart.items() if value is not None}
    rows = np.array([at for at, case in enumerate(cases.ids) if case in known], dtype=np.int64)
    values = np.array([known[cases.ids[at]] for at in rows])
    floors = {"rerun": _distances(rerun), "reseeded": _distances(reseeded)}
    against = "reseeded" if len(floors["reseeded"]) else "rerun"
    mean = _mean(values, rows, cases)
    floor = _mean(floors[against], None, cases)
    most = float(floors[against].max()) if len(floors[against]) else None
    out: dict[str, Any] = {
        "name": name,
        "distance": mean.to_dict(),
        "noise": {
            kind: _mean(found, None, cases).to_dict() | {"largest": _largest(found)}
            for kind, found in floors.items()
            if len(found)
        },
        "against": against if most is not None else None,
        "verdict": _verdict(mean, floor),
        "beyond_noise": _beyond(values, most),
        "groups": _groups(values, rows, cases),
        "moved_most": _moved(known, shown),
    }
    if any(_other_question(*pair) for pair in pairs.values()):
        out["reason"] = REFUSED
    elif not len(values):
        out["reason"] = "no case is explained by both versions in a way that can be compared"
    return out


def _distances(pairs: Sequence[tuple[Reason, Reason]]) -> Floats:
    found = [distance(*pair) for pair in pairs if comparable(*pair)]
    return np.array([value for value in found if value is not None], dtype=np.float64)


def _largest(values: Floats) -> float | None:
    return float(values.max()) if len(values) else None


def _mean(values: Floats, rows: npt.NDArray[np.int64] | None, cases: Cases) -> Estimate:
    """Return the mean distance with a t interval by patient."""
    if len(values) < FEWEST:
        return Estimate.undefined(f"fewer than {FEWEST} cases", n=len(values))
    flow = (values - values.mean()) / len(values)
    named = cases.patients is not None and rows is not None
    if named and cases.patients is not None:
        _, codes = np.unique(cases.patients[rows], return_inverse=True)
        flow = np.bincount(codes, flow)
    count = len(flow)
    se = float(np.sqrt(count / max(count - 1, 1) * (flow @ flow)))
    half = float(stdtrit(max(count - 1, 1), 0.975)) * se
    value = float(values.mean())
    return Estimate(
        value=value,
        low=max(value - half, 0.0),
        high=min(value + half, 1.0),
        n=len(values),
        n_patients=count if named else None,
        method="t" + (" by patient" if named else ""),
    )


def _verdict(mean: Estimate, floor: Estimate) -> DriftVerdict:
    if mean.low is None or mean.high is None or floor.high is None:
        return "not_evaluable"
    if mean.low > floor.high:
        return "beyond_noise"
    return "within_noise" if mean.high <= floor.high else "inconclusive"


def _beyond(values: Floats, most: float | None) -> dict[str, Any]:
    """Count the cases further apart than any that did not change."""
    if most is None:
        return {"k": None, "n": len(values), "reason": "nothing was run again"}
    return {"k": int((values > most).sum()), "n": len(values)}


def _groups(values: Floats, rows: npt.NDArray[np.int64], cases: Cases) -> list[dict[str, Any]]:
    out = []
    for attribute in cases.attributes:
        codes = np.asarray(attribute.codes)[rows]
        for level, label in enumerate(attribute.levels):
            inside = codes == level
            if inside.any():
                mean = _mean(values[inside], rows[inside], cases)
                out.append({"attributes": {attribute.name: label}, "distance": mean.to_dict()})
    return out


def _moved(known: Mapping[str, float], shown: Mapping[str, Shown]) -> list[dict[str, Any]]:
    """Return the cases with the same call whose reasons are furthest apart, then the others."""

    def order(case: str) -> tuple[bool, float]:
        return (shown[case].same_call is False, -known[case])

    return [
        {
            "case": case,
            "distance": known[case],
            "base": shown[case].base,
            "candidate": shown[case].candidate,
            "same_call": shown[case].same_call,
        }
        for case in sorted((c for c in known if c in shown), key=order)[:LISTED]
    ]
