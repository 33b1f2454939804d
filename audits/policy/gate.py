"""The release gate: every rule of the policy judged on a run's evidence, and nothing else.

A rule passes, is violated, or is inconclusive. Levels and changes are judged by their interval,
not by their point: a level passes when its whole 95 % interval satisfies the limit and is violated
when the whole interval fails it. Non-inferiority is one-sided 5 % in each group; requiring all
groups needs no further correction (intersection-union).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from audits.errors import PolicyError
from audits.policy.gate_data import side_names
from audits.policy.gate_nothing import why_nothing
from audits.policy.schema import LOWER_IS_BETTER, GateRule, Policy

Outcome = Literal["pass", "violated", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule says of one output and group.

    Attributes:
        outcome: Whether the rule holds there.
        subject: Version, output and group.
        detail: The number or verdict that was judged, with its interval and n.
        room: How far the limit that decides lies on the right side, negative on the wrong one;
            None where no number was judged.
    """

    outcome: Outcome
    subject: str
    detail: str
    room: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """A rule and its worst judgement.

    Attributes:
        rule: The rule as declared.
        outcome: The worst outcome over everything the rule covers.
        judgements: Every judgement, the worst first.
    """

    rule: GateRule
    outcome: Outcome
    judgements: tuple[Judgement, ...]

    @property
    def name(self) -> str:
        """Return the rule in words."""
        scope = self.rule.scope if isinstance(self.rule.scope, str) else _words(self.rule.scope)
        return f"{self.rule.metric} {self.rule.kind} {self.rule.limit} ({scope})"

    def line(self) -> str:
        """Return one readable line."""
        worst = self.judgements[0]
        said = {"pass": "PASS", "violated": "FAIL", "inconclusive": "INCONCLUSIVE"}[self.outcome]
        if self.outcome == "inconclusive":
            said += f" [{self.rule.on_inconclusive}]"
        more = sum(j.outcome == self.outcome for j in self.judgements) - 1
        tail = f" (and {more} more)" if more > 0 and self.outcome != "pass" else ""
        if self.outcome == "pass":
            closest = "" if worst.room is None else f"; closest {worst.subject}: {worst.detail}"
            return f"{said}  {self.name}: {len(self.judgements)} checked{closest}"
        return f"{said}  {self.name}: {worst.subject}: {worst.detail}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The gate's answer.

    Attributes:
        results: One per rule, in the policy's order.
    """

    results: tuple[RuleResult, ...]

    @property
    def exit_code(self) -> int:
        """Return 1 if a rule is violated, else 3 if an inconclusive one fails, else 0."""
        if any(result.outcome == "violated" for result in self.results):
            return 1
        undecided = (
            result.outcome == "inconclusive" and result.rule.on_inconclusive == "fail"
            for result in self.results
        )
        return 3 if any(undecided) else 0


def run_gate(evidence: Mapping[str, Any], policy: Policy) -> GateResult:
    """Judge a run by the policy's gate rules.

    Args:
        evidence: Content of ``evidence.json``.
        policy: The policy whose ``[[gate.rule]]`` are judged.

    Returns:
        One result a rule.

    Raises:
        PolicyError: If there is no rule, or a rule names what the run does not hold.
    """
    if not policy.gate:
        raise PolicyError(
            f"{policy.by}: no [[gate.rule]] is declared, so there is nothing to gate on; add at "
            "least one rule."
        )
    judged = _of_candidate(evidence)
    return GateResult(results=tuple(_judge(rule, judged, policy) for rule in policy.gate))


def _of_candidate(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what is told of the version in use alone: it is not what may be released."""
    comparison = evidence.get("comparison") or {}
    in_use = side_names(comparison, "base") - side_names(comparison, "candidate")
    if not in_use:
        return evidence
    shortcuts = evidence.get("shortcuts") or {}
    return {
        **evidence,
        "outputs": [one for one in evidence["outputs"] if one.get("model") not in in_use],
        "explanations": {
            model: summary
            for model, summary in (evidence.get("explanations") or {}).items()
            if model not in in_use
        },
        "shortcuts": {
            **shortcuts,
            "outputs": [o for o in shortcuts.get("outputs", []) if o.get("model") not in in_use],
        },
    }


_WORST: Sequence[Outcome] = ("violated", "inconclusive", "pass")


def _judge(rule: GateRule, evidence: Mapping[str, Any], policy: Policy) -> RuleResult:
    find = {
        "level": _levels,
        "change": _changes,
        "noninferiority": _changes,
        "verdict": _verdicts,
    }[rule.kind]
    judgements = sorted(find(rule, evidence), key=_worst_first)
    if not judgements:
        raise PolicyError(
            f"{policy.by}: the rule '{rule.metric} {rule.kind}' ({_scope_words(rule)}) finds "
            f"nothing to judge in this run: {why_nothing(rule, evidence)}."
        )
    return RuleResult(rule=rule, outcome=judgements[0].outcome, judgements=tuple(judgements))


def _worst_first(judgement: Judgement) -> tuple[int, bool, float]:
    """Order by outcome, then by how much room is left; what has no number comes after."""
    room = judgement.room
    return _WORST.index(judgement.outcome), room is None, room or 0.0


def _levels(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    limit = float(rule.limit or 0)
    for output in evidence.get("outputs", []):
        if rule.output not in (None, output["name"]):
            continue
        for group in _audited_groups(rule, output):
            estimate = group["metrics"].get(rule.metric)
            subject = _subject(output.get("model"), output["name"], group.get("attributes", {}))
            if estimate is None and not group.get("suppressed"):
                continue
            yield _level(estimate or {}, limit, rule.metric, subject)


def _level(estimate: Mapping[str, Any], limit: float, metric: str, subject: str) -> Judgement:
    low, high, value = (estimate.get(name) for name in ("low", "high", "value"))
    if value is None or low is None or high is None:
        reason = estimate.get("reason") or "masked or without an interval"
        return Judgement(outcome="inconclusive", subject=subject, detail=reason)
    detail = f"{value:.3f} ({low:.3f} to {high:.3f}), n {estimate.get('n')}"
    if metric in LOWER_IS_BETTER:
        low, high, limit = -high, -low, -limit
    outcome: Outcome = "inconclusive"
    if low >= limit:
        outcome = "pass"
    elif high < limit:
        outcome = "violated"
    return Judgement(outcome=outcome, subject=subject, detail=detail, room=low - limit)


def _changes(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    comparison = evidence.get("comparison") or {}
    limit = float(rule.limit or 0)
    for output in comparison.get("outputs", []):
        if rule.output not in (None, output["name"]):
            continue
        for group in output["groups"]:
            if not _in_scope(rule, group["attributes"]):
                continue
            entry = group["metrics"].get(rule.metric)
            if entry is None:
                continue
            subject = _subject(None, output["name"], group["attributes"])
            yield _change(entry, limit, rule, subject)


def _change(entry: Mapping[str, Any], limit: float, rule: GateRule, subject: str) -> Judgement:
    """Judge a change: the two-sided 95 % interval, or for non-inferiority the one-sided 5 %."""
    delta = entry["delta"]
    value = delta.get("value")
    bounds = (
        entry.get("delta_90") or [None, None]
        if rule.kind == "noninferiority"
        else [delta.get("low"), delta.get("high")]
    )
    if value == 0 and bounds[0] is None and entry.get("p") == 1.0:
        return Judgement(outcome="pass", subject=subject, detail="both versions agree everywhere")
    if value is None or bounds[0] is None or bounds[1] is None:
        reason = delta.get("reason") or "masked or without an interval"
        return Judgement(outcome="inconclusive", subject=subject, detail=reason)
    low, high = bounds
    level = 90 if rule.kind == "noninferiority" else 95
    n = "" if delta.get("n") is None else f", n {delta['n']}"
    detail = f"changed by {value:+.3f} ({level} % interval {low:+.3f} to {high:+.3f}){n}"
    if rule.metric in LOWER_IS_BETTER:
        low, high = -high, -low
    outcome: Outcome = "inconclusive"
    if low > -limit:
        outcome = "pass"
    elif high < -limit:
        outcome = "violated"
    return Judgement(outcome=outcome, subject=subject, detail=detail, room=low + limit)


def _verdicts(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    if rule.metric == "shortcut":
        yield from _shortcuts(rule, evidence)
    elif rule.metric == "explanation":
        yield from _explanations(rule, evidence)
    elif rule.metric == "explanation_drift":
        yield from _drift(rule, evidence)
    elif rule.limit in _CHANGES:
        yield from _change_verdicts(rule, evidence)
    else:
        yield from _fairness_verdicts(rule, evidence)


def _shortcuts(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    for entry in (evidence.get("shortcuts") or {}).get("outputs", []):
        if rule.output in (None, entry["output"]):
            subject = f"{_subject(entry.get('model'), entry['output'], {})}, {entry['suspect']}"
            yield _wanted(rule, entry["verdict"], subject, undecided=("inconclusive", None))


def _explanations(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    """Judge every check that decides; one that only informs, or cannot be made, is passed over."""
    for model, summary in (evidence.get("explanations") or {}).items():
        checks = summary.get("checks", []) if isinstance(summary, Mapping) else []
        for check in checks:
            output = check.get("output")
            if not check.get("decides", True) or rule.output not in (None, output):
                continue
            subject = ", ".join(part for part in (model, output, check["name"]) if part)
            found = _wanted(
                rule, check["verdict"], subject, undecided=("weak", "not_checked", None)
            )
            yield replace(found, detail=f"{found.detail}{_tested(check, summary.get('method'))}")


def _tested(check: Mapping[str, Any], method: str | None) -> str:
    """Return how many tested cases pass, and that the method is judged and not the model."""
    share = check.get("share") or {}
    counted = share.get("n") is not None and share.get("k") is not None
    told = f"; {share['k']} of {share['n']} tested cases pass" if counted else ""
    return f"{told}; it judges the explanations by {method}, not the model" if method else told


def _drift(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    drift = (evidence.get("comparison") or {}).get("explanation_drift") or {}
    for output in drift.get("outputs", []):
        if rule.output in (None, output["name"]):
            subject = f"{_subject(None, output['name'], {})}, reasons"
            undecided = ("inconclusive", "not_evaluable", None)
            yield _wanted(rule, output["verdict"], subject, undecided=undecided)


_CHANGES: Mapping[str | float | None, frozenset[str]] = {
    "better": frozenset({"better"}),
    "not_worse": frozenset({"better", "equivalent"}),
}
"""Limit of a rule on a change to the verdicts of two versions that satisfy it."""


def _change_verdicts(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    for output in (evidence.get("comparison") or {}).get("outputs", []):
        if rule.output not in (None, output["name"]):
            continue
        for group in output["groups"]:
            entry = group["metrics"].get(rule.metric)
            if entry is None or not _in_scope(rule, group["attributes"]):
                continue
            verdict = entry.get("verdict")
            subject = _subject(None, output["name"], group["attributes"])
            detail = f"verdict {verdict or 'none'}, wanted {rule.limit}"
            outcome: Outcome = "violated"
            if verdict in _CHANGES[rule.limit]:
                outcome = "pass"
            elif verdict in {"inconclusive", "not_evaluable", None}:
                outcome = "inconclusive"
            yield Judgement(outcome=outcome, subject=subject, detail=detail)


def _fairness_verdicts(rule: GateRule, evidence: Mapping[str, Any]) -> Iterator[Judgement]:
    for output in evidence.get("outputs", []):
        if rule.output not in (None, output["name"]):
            continue
        for entry in output.get("comparisons", []):
            if (
                entry["metric"] == rule.metric
                and entry.get("declared")
                and _in_scope(rule, entry["group"])
            ):
                subject = _subject(output.get("model"), output["name"], entry["group"])
                undecided = ("inconclusive", "not_evaluable", None)
                yield _wanted(rule, entry.get("verdict"), subject, undecided=undecided)


def _wanted(
    rule: GateRule, verdict: str | None, subject: str, *, undecided: tuple[str | None, ...]
) -> Judgement:
    detail = f"verdict {verdict or 'none'}, wanted {rule.limit}"
    if verdict == rule.limit:
        return Judgement(outcome="pass", subject=subject, detail=detail)
    outcome: Outcome = "inconclusive" if verdict in undecided else "violated"
    return Judgement(outcome=outcome, subject=subject, detail=detail)


def _audited_groups(rule: GateRule, output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if rule.scope == "overall":
        yield output["overall"]
        return
    for group in output.get("groups", []):
        if _in_scope(rule, group["attributes"]):
            yield group


def _in_scope(rule: GateRule, attributes: Mapping[str, str]) -> bool:
    if rule.scope == "overall":
        return not attributes
    if rule.scope == "every group":
        return bool(attributes)
    return dict(attributes) == dict(rule.scope)


def _words(attributes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {level}" for name, level in attributes.items())


def _scope_words(rule: GateRule) -> str:
    return rule.scope if isinstance(rule.scope, str) else _words(rule.scope)


def _subject(model: str | None, output: str, attributes: Mapping[str, str]) -> str:
    parts = [part for part in (model, output, _words(attributes) or "overall") if part]
    return ", ".join(parts)
