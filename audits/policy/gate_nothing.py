"""Why a rule finds nothing to judge: what the run has instead of what the rule names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audits.policy.schema import GateRule

_OF_TWO_VERSIONS = ("better", "not_worse")
_SECTIONS = {
    "shortcut": "the run tested no shortcut; audit images with masks or a marker",
    "explanation": "the run checked no explanation; audit with --check-cases",
}
_SHOWN = 12


def why_nothing(rule: GateRule, evidence: Mapping[str, Any]) -> str:
    """Return what to correct about a rule that judges nothing in a run.

    Args:
        rule: The rule.
        evidence: Content of ``evidence.json``.
    """
    if rule.metric in _SECTIONS:
        return _SECTIONS[rule.metric]
    comparison = evidence.get("comparison") or {}
    if _of_two_versions(rule) and not comparison:
        return (
            "it is about a change and the run holds one version; make the run with auscult "
            "compare, or name the run of the version in use with --base-run"
        )
    if rule.metric == "explanation_drift":
        return "the run compares no explanations; compare two model folders on a study"
    held = (comparison if _of_two_versions(rule) else evidence).get("outputs") or ()
    return _unlike(rule, held)


def _unlike(rule: GateRule, outputs: Sequence[Mapping[str, Any]]) -> str:
    """Return which of output, group and metric the run does not have."""
    names = [output["name"] for output in outputs]
    known = [one for output in outputs for one in _groups(output)]
    metrics = [metric for one in known for metric in one["metrics"]]
    if rule.output is not None and rule.output not in names:
        return f"it names the output {rule.output!r}; the run has {_listed(names)}"
    wrong = None
    if not isinstance(rule.scope, str):
        wrong = _unknown_group(rule.scope, [one["attributes"] for one in known])
    if wrong is None and rule.metric not in metrics:
        wrong = f"the run has no {rule.metric!r}; it has {_listed(metrics)}"
    if wrong is None and rule.kind == "verdict":
        wrong = f"{rule.metric} gets no verdict in this run; name it in verdict_metrics"
    return wrong or "correct its metric, scope or output, or audit what it asks for"


def _of_two_versions(rule: GateRule) -> bool:
    changes = rule.kind in {"change", "noninferiority"} or rule.limit in _OF_TWO_VERSIONS
    return changes or rule.metric == "explanation_drift"


def _groups(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = list(output.get("groups") or ())
    return [{"attributes": {}, **output["overall"]}, *groups] if "overall" in output else groups


def _unknown_group(scope: Mapping[str, str], known: list[Mapping[str, str]]) -> str | None:
    for name, level in scope.items():
        levels = [attributes[name] for attributes in known if name in attributes]
        if not levels:
            return f"no group is made by {name!r}; groups are made by {_listed(_names(known))}"
        if level not in levels:
            return f"{name} has no {level!r}; it has {_listed(levels)}"
    if dict(scope) not in [dict(attributes) for attributes in known]:
        return f"the crossing of {' and '.join(scope)} is not declared; add it to intersections"
    return None


def _names(known: list[Mapping[str, str]]) -> list[str]:
    return [name for attributes in known for name in attributes]


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (", ".join(every[:_SHOWN]) or "none") + more
