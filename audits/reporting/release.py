"""Rendering the evidence at release ``restricted``: small counts and what reveals them masked.

Applied once, before ``evidence.json`` is written, so that no export can forget it. A masked
number is null with ``"suppressed": true`` beside it; a row is never dropped; 0 is shown. Only
fields that this module knows are let through: a new field stays out until it is safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from audits.reporting.cells import Hide, is_hidden, key_of
from audits.reporting.masking import blank, masked_estimate, masked_section, metric_hidden
from audits.reporting.quality_release import restricted_quality
from audits.reporting.summary import summarise
from audits.reporting.suppression import OutputPlan, plan_suppression
from audits.reporting.version_release import restricted_comparison, sides_of

SUPPRESSED = "Suppressed to protect small groups."
_NUMBER = re.compile(r"\d")
_OUTPUT_FIELDS = ("model", "name", "label", "scope", "threshold", "horizon", "task", "space")
_GROUP_FIELDS = ("attributes", "declared", "n", "patients", "positives")
_OF_SOME = frozenset({"dice", "hd95", "froc"})
_SITE_ONLY = (
    *("causes", "slices", "mitigation", "stays", "residuals", "confusion", "custom"),
    "observed_risk",
)
_TESTS = ("difference_90", "p", "q", "p_margin", "q_margin", "p_equivalence", "mde")


def restrict(evidence: Mapping[str, Any], *, cell: int = 10) -> dict[str, Any]:
    """Return the evidence with every count of 1 to ``cell`` masked.

    Args:
        evidence: Exact evidence at release ``internal``.
        cell: Largest count that is not shown.

    Returns:
        The same structure at release ``restricted``.
    """
    count = len(evidence["outputs"])
    plans = plan_suppression([*evidence["outputs"], *sides_of(evidence)], cell)
    plans, of_sides = plans[:count], plans[count:]
    floor = int(evidence["policy"].get("audit", {}).get("min_effective_n", cell))
    per_class = int(evidence["policy"].get("audit", {}).get("min_effective_per_class", floor))
    study = _study(evidence, plans, cell)
    outputs = [
        _output(output, plan, cell=cell, floor=floor)
        for output, plan in zip(evidence["outputs"], plans, strict=True)
    ]
    masked = {
        **evidence,
        "release": "restricted",
        "study": study,
        "skipped": _skipped(evidence["skipped"], cell),
        "outputs": outputs,
        "explanations": masked_section(evidence["explanations"], cell),
        "shortcuts": masked_section(evidence["shortcuts"], cell),
        "comparison": restricted_comparison(
            evidence, of_sides, cell=cell, floor=min(floor, per_class)
        ),
        "data_quality": restricted_quality(evidence, plans, study, cell=cell),
        "findings": [_worded(f, "message") for f in evidence["findings"]],
    }
    # The counts of the exact evidence would tell how many verdicts are masked.
    return {**masked, "summary": summarise(masked)}


def _study(evidence: Mapping[str, Any], plans: Sequence[OutputPlan], cell: int) -> dict[str, Any]:
    """Mask the cohort's size where it is small or tells how few cases an output left out."""
    study = dict(evidence["study"])
    cases = study.get("cases")
    left_out = [abs((cases or 0) - plan.cells[()].n) for plan in plans]
    hidden = any(plan.flags[()] & Hide.SIZE for plan in plans)
    if cases is not None and (hidden or any(1 <= k <= cell for k in [cases, *left_out])):
        study |= {"cases": None, "patients": None, "suppressed": True}
    elif 1 <= (study.get("patients") or 0) <= cell:
        study |= {"patients": None, "suppressed": True}
    return study


def _skipped(skipped: Sequence[Mapping[str, Any]], cell: int) -> list[dict[str, Any]]:
    """Drop the ids, and the number of skipped cases where it is small."""
    if not skipped:
        return []
    count = len(skipped)
    note: dict[str, Any] = {"case": None, "reason": "The list stays in internal/.", "n": count}
    if count <= cell:
        note |= {"n": None, "suppressed": True}
    return [note]


def _worded(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the entry without a sentence that holds a number."""
    if not _NUMBER.search(str(entry.get(name) or "")):
        return dict(entry)
    return {**entry, name: SUPPRESSED, "suppressed": True}


def _output(
    output: Mapping[str, Any], plan: OutputPlan, *, cell: int, floor: int
) -> dict[str, Any]:
    kept = {name: output[name] for name in _OUTPUT_FIELDS if name in output}
    return {
        **kept,
        "not_available": [_worded(n, "reason") for n in output.get("not_available", ())],
        "findings": [_worded(f, "message") for f in output.get("findings", ())],
        "overall": _group(output["overall"], plan.flags[()], cell),
        "groups": [_group(g, plan.flags[key_of(g["attributes"])], cell) for g in output["groups"]],
        "comparisons": [
            _comparison(c, plan, cell=cell, floor=floor) for c in output["comparisons"]
        ],
        "heterogeneity": [_heterogeneity(h, plan) for h in output["heterogeneity"]],
        **{name: _withheld(output[name]) for name in _SITE_ONLY if name in output},
    }


def _withheld(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section of many fine cells as not shown: masking it safely would leave nothing."""
    if section.get("state") == "not_available":
        return _worded(section, "reason")
    reason = "Not shown in a restricted release: its groups are finer than what may be shown."
    return {"state": "not_available", "reason": reason, "suppressed": True}


def _group(group: Mapping[str, Any], flags: Hide, cell: int) -> dict[str, Any]:
    """Mask one group, or the whole cohort, by what its flags hide."""
    shown = {k: group[k] for k in _GROUP_FIELDS if k in group}
    if is_hidden("n", flags):
        shown |= {"n": None, "patients": None}
    if is_hidden("positives", flags) and shown.get("positives"):
        shown["positives"] = None
    metrics = {
        name: _estimate(name, value, flags, group, cell) for name, value in group["metrics"].items()
    }
    return {**shown, "suppressed": bool(flags), "metrics": metrics}


def _estimate(
    name: str, value: Mapping[str, Any], flags: Hide, group: Mapping[str, Any], cell: int
) -> dict[str, Any]:
    """Mask one estimate; one of only some of the cases may not tell how few were left out."""
    shown = masked_estimate(name, value, flags)
    if name not in _OF_SOME or shown.get("suppressed"):
        return shown
    whole = group.get("positives" if name == "froc" else "n") or 0
    if 1 <= abs(whole - (value.get("n") or 0)) <= cell:
        hidden: dict[str, Any] = blank(shown)
        return hidden
    return _worded(shown, "reason")


def _comparison(
    comparison: Mapping[str, Any], plan: OutputPlan, *, cell: int, floor: int
) -> dict[str, Any]:
    """Mask a comparison when either of its sides is masked; its verdict stays if it can."""
    metric = comparison["metric"]
    sides = _sides(comparison, plan)
    if not any(metric_hidden(metric, flags) for flags in sides):
        return dict(comparison)
    hidden_n = [masked_estimate(metric, {"n": 1}, flags)["n"] is None for flags in sides]
    masked = dict(comparison)
    for side, hide_n in zip(("group", "ref"), hidden_n, strict=True):
        masked[f"{side}_k"] = 0 if comparison[f"{side}_k"] == 0 else None
        masked[f"{side}_n"] = None if hide_n else comparison[f"{side}_n"]
    masked |= dict.fromkeys(_TESTS)
    masked |= {
        "difference": blank(comparison["difference"]),
        "n_needed": blank(comparison.get("n_needed")),
        "beyond_marginals": None,
        "suppressed": True,
    }
    reason = comparison.get("reason")
    if reason and _NUMBER.search(reason):
        masked["reason"] = SUPPRESSED
    if _verdict_reveals(comparison, cell=cell, floor=floor):
        masked |= {"verdict": None, "strength": None, "reason": SUPPRESSED}
    if masked.get("verdict") != "disparity":
        # Which side fares worse is no more than the verdict says only where it says so.
        masked |= {"worse": None, "carried_by": []}
    return {k: v for k, v in masked.items() if k in _COMPARISON_FIELDS}


_COMPARISON_FIELDS = frozenset(
    [
        *("metric", "tier", "attribute", "group", "reference", "group_k", "group_n", "ref_k"),
        *("ref_n", "difference", "difference_90", "worse", "margin", "test", "p", "q"),
        *("p_margin", "q_margin", "p_equivalence", "verdict", "strength", "reason"),
        *("carried_by", "beyond_marginals", "mde", "n_needed", "declared", "suppressed"),
    ]
)


def _sides(comparison: Mapping[str, Any], plan: OutputPlan) -> tuple[Hide, Hide]:
    """Return what is hidden of the group and of its reference."""
    group = comparison["group"]
    reference = comparison["reference"]
    key = key_of(group)
    if isinstance(reference, str) and reference != "rest" and len(group) == 1:
        other = key_of(dict.fromkeys(group, reference))
        return plan.flags[key], plan.flags.get(other, plan.flags[key])
    # The rest is the cohort minus the group: it is shown only where both are.
    return plan.flags[key], plan.flags[key] | plan.flags[()]


def _verdict_reveals(comparison: Mapping[str, Any], *, cell: int, floor: int) -> bool:
    """Return whether being evaluable at all pins a hidden denominator down."""
    if comparison.get("verdict") in (None, "not_evaluable"):
        return False
    denominators = (comparison["group_n"], comparison["ref_n"])
    return any(n is not None and floor <= n <= cell for n in denominators)


def _heterogeneity(entry: Mapping[str, Any], plan: OutputPlan) -> dict[str, Any]:
    names = sorted(str(entry["attribute"]).split("×"))
    flags = [f for key, f in plan.flags.items() if [a for a, _ in key] == names]
    if not any(metric_hidden(entry["metric"], f) for f in flags):
        return dict(entry)
    kept = {k: entry[k] for k in ("metric", "attribute", "method") if k in entry}
    return {
        **kept,
        "statistic": None,
        "df": None,
        "p": None,
        "tau2": blank(entry.get("tau2")),
        "suppressed": True,
    }
