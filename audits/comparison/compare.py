"""Compare two versions on the same cases, for everybody and for every declared group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audits.comparison.groups import GroupRows, every_group
from audits.comparison.influence import Floats
from audits.comparison.paired import (
    METRICS,
    Pair,
    PairedDifference,
    clustered_variance,
    paired_difference,
)
from audits.comparison.verdicts import UNDIRECTED, reach_verdict
from audits.errors import AuditError
from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.significance import benjamini_hochberg
from audits.policy import Policy
from audits.types import Estimate, Progress, silent

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything ``comparison`` in the evidence says about two versions."""

    base: str
    candidate: str
    outputs: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's ``comparison``."""
        return {
            "base": self.base,
            "candidate": self.candidate,
            "outputs": [dict(output) for output in self.outputs],
        }


@dataclass(slots=True)
class _Row:
    """One metric in one group before q is known."""

    metric: str
    declared: bool
    smaller_class: int
    difference: PairedDifference
    did: Estimate
    entry: dict[str, Any]


def compare_outputs(
    pairs: Sequence[tuple[ScoredOutput, ScoredOutput]],
    policy: Policy,
    *,
    base: str,
    candidate: str,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Compare two versions output by output.

    Args:
        pairs: Per output the base's and the candidate's scores of the *same* rows in the same
            order, as the join by name and case id leaves them.
        policy: Margins, level, groups, intersections and verdict metrics, declared beforehand.
        base: Name of the base version.
        candidate: Name of the candidate.
        seed: Seed of what is drawn.
        progress: Called with the finished share.

    Returns:
        Estimates of both versions, paired differences with intervals, p, q over all groups,
        metrics and outputs, difference-in-differences against the rest, flips and verdicts.

    Raises:
        AuditError: If the two versions of an output are not on the same rows.
    """
    outputs: list[dict[str, Any]] = []
    rows: list[_Row] = []
    for index, (first, second) in enumerate(pairs):
        progress(index / max(len(pairs), 1), f"Comparing {first.name}")
        output, found = _compare_output(first, second, policy, seed)
        outputs.append(output)
        rows += found
    _judge(rows, policy)
    progress(1.0, "Compared")
    return Comparison(base=base, candidate=candidate, outputs=tuple(outputs))


def _compare_output(
    first: ScoredOutput, second: ScoredOutput, policy: Policy, seed: int
) -> tuple[dict[str, Any], list[_Row]]:
    if len(first.y) != len(second.y) or not np.array_equal(first.y, second.y):
        raise AuditError(
            f"comparison of {first.name!r}: the versions hold {len(first.y)} and {len(second.y)} "
            "cases with different labels. Join them by case id on the same study first."
        )
    pair = Pair(
        y=first.y,
        base=first.score,
        candidate=second.score,
        base_threshold=first.threshold,
        candidate_threshold=second.threshold,
        probabilities=first.space in _PROBABLE and second.space in _PROBABLE,
        patients=first.patients,
    )
    estimates = [
        _estimates(audit_fairness([version], policy, seed=seed).to_dict()[0])
        for version in (first, second)
    ]
    groups, rows = [], []
    for group in every_group(first.attributes, policy.groups, policy.intersections, len(first.y)):
        entry, found = _compare_group(pair, group, policy, estimates)
        groups.append(entry)
        rows += found
    thresholds = {"base": first.threshold, "candidate": second.threshold}
    return {"name": first.name, "thresholds": thresholds, "groups": groups}, rows


_PROBABLE = frozenset({"logit", "probability"})


def _estimates(output: Mapping[str, Any]) -> dict[frozenset[tuple[str, str]], Mapping[str, Any]]:
    """Index an audited output's estimates by group; everybody is the empty set."""
    known = {frozenset[tuple[str, str]](): output["overall"]["metrics"]}
    for group in output["groups"]:
        known[frozenset(group["attributes"].items())] = group["metrics"]
    return known


def _compare_group(
    pair: Pair,
    group: GroupRows,
    policy: Policy,
    estimates: Sequence[Mapping[frozenset[tuple[str, str]], Mapping[str, Any]]],
) -> tuple[dict[str, Any], list[_Row]]:
    inside = pair.subset(group.rows)
    key = frozenset(group.attributes.items())
    metrics: dict[str, Any] = {}
    rows = []
    for metric in METRICS:
        difference = paired_difference(metric, inside)
        entry = {
            "base": estimates[0].get(key, {}).get(metric),
            "candidate": estimates[1].get(key, {}).get(metric),
            "delta": difference.delta.to_dict(),
            "delta_90": [difference.low_90, difference.high_90],
            "test": difference.test,
            "p": difference.p,
        }
        metrics[metric] = entry
        rows.append(
            _Row(
                metric=metric,
                declared=metric in policy.verdict_metrics and metric not in UNDIRECTED,
                smaller_class=int(min(inside.y.sum(), len(inside.y) - inside.y.sum())),
                difference=difference,
                did=_difference_in_differences(metric, pair, group, difference),
                entry=entry,
            )
        )
    entry = {
        "attributes": group.attributes,
        "n": int(group.rows.sum()),
        "patients": None if inside.patients is None else len(np.unique(inside.patients)),
        "positives": int(inside.y.sum()),
        "metrics": metrics,
        **_flips(inside),
    }
    return entry, rows


def _difference_in_differences(
    metric: str, pair: Pair, group: GroupRows, inside: PairedDifference
) -> Estimate:
    """Return the group's change minus the change of everybody else."""
    if not group.attributes:
        return Estimate.undefined("everybody has no rest to compare with")
    rest = paired_difference(metric, pair.subset(~group.rows))
    if inside.delta.value is None or rest.delta.value is None:
        return Estimate.undefined(inside.delta.reason or rest.delta.reason or "undefined")
    assert inside.influence is not None  # noqa: S101 - defined values carry their influence
    assert rest.influence is not None  # noqa: S101
    phi: Floats = np.empty(len(pair.y))
    phi[group.rows] = inside.influence
    phi[~group.rows] = -rest.influence
    variance, _ = clustered_variance(phi, pair.patients)
    value = inside.delta.value - rest.delta.value
    if variance == 0:
        return Estimate(value=value, n=len(phi), reason="no variation between cases")
    se = variance**0.5
    return Estimate(
        value=value,
        low=value - _Z95 * se,
        high=value + _Z95 * se,
        n=len(phi),
        method="influence function" + ("" if pair.patients is None else " by patient"),
    )


def _flips(pair: Pair) -> dict[str, Any]:
    """Count decisions that turned wrong (negative flips) and right (positive flips)."""
    decisions = pair.decisions
    if decisions is None:
        reason = "no threshold is declared"
        empty = {"k": None, "n": len(pair.y), "reason": reason}
        return {"negative_flips": dict(empty), "positive_flips": dict(empty)}
    truth = pair.y == 1
    base_right, candidate_right = decisions[0] == truth, decisions[1] == truth
    negative, positive = base_right & ~candidate_right, ~base_right & candidate_right
    return {
        name: {
            "k": int(flip.sum()),
            "n": len(pair.y),
            "missed_positives" if name == "negative_flips" else "found_positives": int(
                (flip & truth).sum()
            ),
        }
        for name, flip in (("negative_flips", negative), ("positive_flips", positive))
    }


def _judge(rows: Sequence[_Row], policy: Policy) -> None:
    """Adjust p over every declared metric, group and output together, then reach verdicts."""
    family = [row for row in rows if row.declared and _evaluable(row, policy)]
    adjusted = benjamini_hochberg(np.array([row.difference.p for row in family], dtype=np.float64))
    q_of = {id(row): float(q) for row, q in zip(family, adjusted, strict=True)}
    for row in rows:
        q = q_of.get(id(row))
        row.entry["q"] = q
        row.entry["difference_in_differences"] = row.did.to_dict()
        row.entry["margin"] = policy.margins.get(row.metric)
        margin = policy.margins.get(row.metric)
        if not row.declared or margin is None:
            row.entry["verdict"], row.entry["reason"] = None, "not among the verdict metrics"
        elif not _evaluable(row, policy) and row.difference.p != 1.0:
            row.entry["verdict"] = "not_evaluable"
            row.entry["reason"] = row.difference.delta.reason or "too few cases"
        else:
            row.entry["verdict"], row.entry["reason"] = reach_verdict(
                row.metric, row.difference, q=q, margin=margin, alpha=policy.alpha
            )


def _evaluable(row: _Row, policy: Policy) -> bool:
    delta = row.difference.delta
    if delta.value is None or row.difference.p is None or delta.n is None:
        return False
    if row.metric == "auroc":
        return row.smaller_class >= policy.min_effective_per_class
    return delta.n / (delta.deff or 1.0) >= policy.min_effective_n
