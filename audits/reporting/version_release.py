"""The comparison of two versions at release ``restricted``, estimate by estimate.

Both versions' counts are planned together with those of the run's outputs. Beside them stand the
discordant counts, of cases whose call changed: a paired p and a paired interval are functions of
them, so where one is small, flips, p and intervals of every group go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from audits.reporting.cells import Hide, Key, is_hidden, key_of
from audits.reporting.masking import blank, masked_estimate, metric_hidden
from audits.reporting.suppression import EVERYTHING, OutputPlan

Flags = Mapping[Key, Hide]

_SCORED = ("auroc", "brier", "oe_ratio", "calibration_slope")
"""Metrics of the score alone; all others are made of calls."""
_FLIPS = {"negative_flips": "missed_positives", "positive_flips": "found_positives"}
_TESTS = ("p", "q")
_SHOWN = ("name", "task", "thresholds", "risk_bands")
_NO_DRIFT = "Not shown in a restricted release: it is made of a few cases and names them."
_WITHHELD = (
    "Moves between risk bands and shrunk changes are finer than a restricted release may show."
)


def sides_of(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return both versions of every compared output, as outputs that a plan can be made of.

    Args:
        evidence: Exact evidence.

    Returns:
        Base and candidate of the first output, then of the next.
    """
    labels = {output["name"]: output.get("label", {}) for output in evidence["outputs"]}
    found = []
    for output in (evidence.get("comparison") or {}).get("outputs", ()):
        for side in ("base", "candidate"):
            groups = [_of_side(group, side) for group in output["groups"]]
            found.append(
                {
                    "label": labels.get(output["name"], {}),
                    "overall": groups[0],
                    "groups": groups[1:],
                }
            )
    return found


def _of_side(group: Mapping[str, Any], side: str) -> dict[str, Any]:
    metrics = {name: entry[side] or {} for name, entry in group["metrics"].items()}
    return {**{k: group.get(k) for k in ("attributes", "n", "patients", "positives")}} | {
        "metrics": metrics
    }


def restricted_comparison(
    evidence: Mapping[str, Any], plans: Sequence[OutputPlan], *, cell: int, floor: int
) -> dict[str, Any]:
    """Return ``comparison`` with every count of 1 to ``cell`` masked, and what reveals it.

    Args:
        evidence: Exact evidence.
        plans: Plans of :func:`sides_of`, in its order.
        cell: Largest count that is not shown.
        floor: Smallest denominator that gets a verdict; being judged at all reveals a count
            between ``floor`` and ``cell``.
    """
    comparison = evidence.get("comparison") or {}
    if not comparison:
        return {}
    outputs = []
    for at, output in enumerate(comparison["outputs"]):
        both = plans[2 * at : 2 * at + 2]
        flags = {
            key_of(group["attributes"]): reduce(
                or_, (plan.flags[key_of(group["attributes"])] for plan in both)
            )
            for group in output["groups"]
        }
        if _nearly_the_audit(output, evidence["outputs"], cell):
            flags = dict.fromkeys(flags, EVERYTHING)
        outputs.append(_output(output, flags, cell=cell, floor=floor))
    shown = {k: v for k, v in comparison.items() if k in ("base", "candidate", "not_compared")}
    if "explanation_drift" in comparison:
        shown["explanation_drift"] = {"outputs": [], "reason": _NO_DRIFT, "suppressed": True}
    return shown | {"outputs": outputs}


def _nearly_the_audit(
    output: Mapping[str, Any], audited: Sequence[Mapping[str, Any]], cell: int
) -> bool:
    """Return whether a few cases less than in the audit were compared: subtraction shows them."""
    compared = {key_of(group["attributes"]): group for group in output["groups"]}
    for one in audited:
        if one["name"] != output["name"]:
            continue
        for group in (one["overall"], *one["groups"]):
            mine = compared.get(key_of(group.get("attributes", {})))
            if mine is None:
                continue
            for count in ("n", "positives"):
                if 1 <= abs((group[count] or 0) - (mine[count] or 0)) <= cell:
                    return True
    return False


def _output(output: Mapping[str, Any], flags: Flags, *, cell: int, floor: int) -> dict[str, Any]:
    groups = output["groups"]
    few = {key_of(g["attributes"]): _few_changed(g, cell) for g in groups}
    calls_hidden = {key: few[key] or bool(flags[key]) for key in flags}
    if any(hidden for key, hidden in calls_hidden.items() if key):
        # Parts of a known sum: what is left of it would show the small one.
        calls_hidden |= {key: True for key in calls_hidden if key}
    return {
        **{name: output[name] for name in _SHOWN if name in output},
        "withheld": _WITHHELD,
        "cases": _cases(output.get("cases") or {}, flags[()], cell),
        "groups": [
            _group(
                group,
                flags[key_of(group["attributes"])],
                whole=flags[()] | flags.get(_reference_key(group), Hide.NOTHING),
                calls=calls_hidden[key_of(group["attributes"])],
                pinned=tuple(range(floor, cell + 1)),
            )
            for group in groups
        ],
    }


def _cases(cases: Mapping[str, int], flags: Hide, cell: int) -> dict[str, Any]:
    """Return how many cases were compared and left out; a small count goes with all others."""
    if is_hidden("n", flags) or any(1 <= count <= cell for count in cases.values()):
        return {**dict.fromkeys(cases), "suppressed": True}
    return dict(cases)


def _reference_key(group: Mapping[str, Any]) -> Key:
    """Return the declared group that a group's change is set against; everybody without one."""
    level = group.get("reference")
    if level in (None, "rest") or len(group["attributes"]) != 1:
        return key_of({})
    return key_of(dict.fromkeys(group["attributes"], level))


def _few_changed(group: Mapping[str, Any], cell: int) -> bool:
    """Return whether a count of changed calls, of all cases or of one label, is small."""
    return any(1 <= count <= cell for count in _changed(group))


def _changed(group: Mapping[str, Any]) -> Iterator[int]:
    for name, positives in _FLIPS.items():
        flips = group[name]
        if flips["k"] is not None:
            yield from (flips["k"], flips[positives], flips["k"] - flips[positives])


def _group(
    group: Mapping[str, Any], flags: Hide, *, whole: Hide, calls: bool, pinned: Sequence[int]
) -> dict[str, Any]:
    told = ("attributes", "n", "patients", "positives", "reference")
    shown = {k: group.get(k) for k in told}
    if is_hidden("n", flags):
        shown |= {"n": None, "patients": None}
    if is_hidden("positives", flags) and shown["positives"]:
        shown["positives"] = None
    small = {
        group["n"],
        group["positives"],
        (group["n"] or 0) - (group["positives"] or 0),
    } & set(pinned)
    metrics = {
        name: _entry(name, entry, flags, whole=whole, calls=calls, told=bool(small), pinned=pinned)
        for name, entry in group["metrics"].items()
    }
    flips = {name: _flips(group[name], flags, calls=calls) for name in _FLIPS}
    return {**shown, "suppressed": bool(flags) or calls, "metrics": metrics, **flips}


def _flips(flips: Mapping[str, Any], flags: Hide, *, calls: bool) -> dict[str, Any]:
    if flips["k"] is None or not calls:
        return dict(flips)
    masked = dict.fromkeys(flips)
    return {**masked, "n": None if is_hidden("n", flags) else flips["n"], "suppressed": True}


def _entry(  # noqa: PLR0913 - what decides on one metric of one group
    metric: str,
    entry: Mapping[str, Any],
    flags: Hide,
    *,
    whole: Hide,
    calls: bool,
    told: bool,
    pinned: Sequence[int],
) -> dict[str, Any]:
    hidden = metric_hidden(metric, flags)
    by_calls = calls and metric not in _SCORED
    shown = dict(entry)
    if metric_hidden(metric, flags | whole) or by_calls:
        # It sets the group against the rest, which is the cohort without the group, or a level.
        shown["difference_in_differences"] = blank(entry.get("difference_in_differences"))
        shown["suppressed"] = True
    if hidden:
        for side in ("base", "candidate"):
            shown[side] = entry[side] and masked_estimate(metric, entry[side], flags)
        shown["delta"] = blank(entry["delta"])
    elif by_calls:
        shown["delta"] = {**entry["delta"], "low": None, "high": None, "deff": None}
        shown["delta"]["suppressed"] = True
    if hidden or by_calls:
        shown |= {**dict.fromkeys(_TESTS), "delta_90": [None, None]}
        evaluable = entry.get("verdict") not in (None, "not_evaluable")
        if evaluable and (told or entry["delta"].get("n") in pinned):
            shown |= {"verdict": None, "reason": None}
    return shown
