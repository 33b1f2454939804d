"""Data quality at release ``restricted``: what it says of groups hides with the groups.

Counts of the cohort stand there under other names: the missing values of a group's column are the
group “Unknown”, prevalence by site and by month add up to the cases with the condition. What the
plan hides of a group therefore goes here, too, whatever its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from audits.reporting.cells import Hide, Key, key_of
from audits.reporting.masking import masked_section, without_numbers
from audits.reporting.suppression import OutputPlan

_COUNTED = Hide.SIZE | Hide.LABEL


def restricted_quality(
    evidence: Mapping[str, Any],
    plans: Sequence[OutputPlan],
    study: Mapping[str, Any],
    *,
    cell: int,
) -> dict[str, Any]:
    """Return ``data_quality`` with small counts masked, and those that give hidden ones away.

    Args:
        evidence: Exact evidence.
        plans: Of its outputs, in their order.
        study: ``study`` as the release shows it.
        cell: Largest count that is not shown.
    """
    exact = evidence["data_quality"]
    shown: dict[str, Any] = masked_section(exact, cell)
    names = [str(output["name"]) for output in evidence["outputs"]]
    flags = {n: _flags(n, names, plans) for n in set(names)}
    if "prevalence" in shown:
        shown["prevalence"] = _prevalence(shown["prevalence"], flags)
    months = shown.get("prevalence_by_month") or {}
    if months.get("months"):
        held = [_month(one, flags) for one in months["months"]]
        shown["prevalence_by_month"] = {**months, "months": held}
    cases = int(evidence["study"].get("cases") or 0)
    hidden = _hidden_sizes(plans)
    everything = bool(study.get("suppressed"))
    for name in ("missing", "implausible"):
        pairs = zip(exact.get(name) or (), shown.get(name) or (), strict=True)
        if name in shown:
            shown[name] = [
                without_numbers(seen) if everything or _gives_away(held, cases, hidden) else seen
                for held, seen in pairs
            ]
    if everything and "repeated_patients" in shown:
        shown["repeated_patients"] = without_numbers(shown["repeated_patients"])
    return shown


def _flags(name: str, names: Sequence[str], plans: Sequence[OutputPlan]) -> dict[Key, Hide]:
    """Return what any model's plan hides of a label's groups."""
    mine = [plan for other, plan in zip(names, plans, strict=True) if other == name]
    keys = {key for plan in mine for key in plan.flags}
    return {key: reduce(or_, (p.flags.get(key, Hide.NOTHING) for p in mine)) for key in keys}


def _prevalence(
    entries: Sequence[Mapping[str, Any]], flags: Mapping[str, Mapping[Key, Hide]]
) -> list[Any]:
    """Mask a label's rows all together: its sites add up to the whole."""
    hidden = {e["label"] for e in entries if _is_hidden(e, flags)}
    return [without_numbers(e) if e["label"] in hidden else dict(e) for e in entries]


def _is_hidden(entry: Mapping[str, Any], flags: Mapping[str, Mapping[Key, Hide]]) -> bool:
    attribute = entry.get("attribute")
    key = key_of({attribute: entry["level"]}) if attribute else ()
    return bool(flags.get(str(entry["label"]), {}).get(key, Hide.NOTHING) & _COUNTED)


def _month(entry: Mapping[str, Any], flags: Mapping[str, Mapping[Key, Hide]]) -> Any:
    whole = flags.get(str(entry["label"]), {}).get((), Hide.NOTHING)
    return without_numbers(entry) if whole & _COUNTED else dict(entry)


def _hidden_sizes(plans: Sequence[OutputPlan]) -> set[int]:
    """Return the sizes of all groups whose size is not shown."""
    return {
        plan.cells[key].n
        for plan in plans
        for key, flag in plan.flags.items()
        if flag & Hide.SIZE and plan.cells[key].n
    }


def _gives_away(entry: Mapping[str, Any], cases: int, hidden: set[int]) -> bool:
    """Return whether a variable's missing values are as many as a hidden group's cases."""
    absent = entry.get("missing", cases - int(entry.get("n") or 0))
    return absent in hidden
