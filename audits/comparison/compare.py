"""Compare two versions on the same cases, for everybody and for every declared group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from audits.comparison.changes import PairedDifference
from audits.comparison.further import FurtherComparison, is_further, pair_of
from audits.comparison.layout import Layout, LayoutMaker, Split
from audits.comparison.ordering import Arranged, Arranger
from audits.comparison.pair import NUMBER_METRICS, Pair
from audits.comparison.paired import Measured, PairedComparison
from audits.comparison.reclassification import Reclassification, band_of
from audits.comparison.shrinkage import shrunk_changes
from audits.comparison.verdicts import UNDIRECTED, reach_verdict
from audits.errors import AuditError
from audits.fairness import DETAILED_TASKS, ScoredOutput, audit_fairness
from audits.fairness.side_by_side import side_by_side
from audits.fairness.significance import benjamini_hochberg
from audits.policy import Policy
from audits.types import Progress, silent

_PROBABLE = frozenset({"logit", "probability"})

Estimates = Mapping[frozenset[tuple[str, str]], Mapping[str, Any]]
"""Groups, everybody the empty set, to the audit's estimates by metric."""


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
    classes: tuple[int, int]
    difference: PairedDifference
    entry: dict[str, Any]


def compare_outputs(  # noqa: PLR0913 - two versions, a policy and what is at hand
    pairs: Sequence[tuple[ScoredOutput, ScoredOutput]],
    policy: Policy,
    *,
    base: str,
    candidate: str,
    audited: Sequence[Mapping[str, Any]] = (),
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
        audited: ``outputs`` of an audit of both versions; its estimates are taken where it was
            made on the same rows, and made here otherwise.
        seed: Seed of what is drawn.
        progress: Called with the finished share.

    Returns:
        Estimates of both versions, paired differences with intervals, p, q over all groups,
        metrics and outputs, difference-in-differences against the rest, flips, moves between risk
        bands, shrunk changes and verdicts.

    Raises:
        AuditError: If the two versions of an output are not on the same rows.
    """
    layouts = LayoutMaker(policy.groups, policy.intersections, policy.reference)
    used = {*policy.groups, *(name for names in policy.intersections for name in names)}
    arranger = Arranger(layouts, sorted(used))
    tasks = [
        partial(_compared, both, _arranged(both, layouts, arranger), policy, audited, seed)
        for both in pairs
    ]
    found = side_by_side(
        tasks,
        max((len(first.y) for first, _ in pairs), default=0),
        done=lambda share: progress(share, "Comparing"),
    )
    outputs = [output for output, _ in found]
    rows = [row for _, held in found for row in held]
    _judge(rows, policy)
    progress(1.0, "Compared")
    return Comparison(base=base, candidate=candidate, outputs=tuple(outputs))


def _pair(first: ScoredOutput, second: ScoredOutput) -> Pair:
    if len(first.y) != len(second.y) or not np.array_equal(first.y, second.y):
        raise AuditError(
            f"comparison of {first.name!r}: the versions hold {len(first.y)} and {len(second.y)} "
            "cases with different labels. Join them by case id on the same study first."
        )
    if first.task != second.task:
        raise AuditError(
            f"comparison of {first.name!r}: the base's task is {first.task} and the candidate's "
            f"{second.task}, so their scores mean different things; compare versions of one task."
        )
    if is_further(first):
        return pair_of(first, second)
    return Pair(
        y=first.y,
        base=first.score,
        candidate=second.score,
        base_threshold=first.threshold,
        candidate_threshold=second.threshold,
        probabilities=all(_probabilities(one) for one in (first, second)),
        task=first.task,
    )


def _probabilities(output: ScoredOutput) -> bool:
    """Return whether scores are probabilities, as the audit of one version decides it."""
    score = output.score
    inside = bool(len(score) == 0 or (score.min() >= 0 and score.max() <= 1))
    return output.space in _PROBABLE and inside and output.task not in NUMBER_METRICS


def _arranged(
    both: tuple[ScoredOutput, ScoredOutput], maker: LayoutMaker, arranger: Arranger
) -> Arranged:
    """Return the layout of an output's rows; what is not read by itself keeps their order."""
    output = both[0]
    asked = len(output.y), output.patients, output.attributes
    if is_further(output):
        return Arranged(layout=maker.layout(*asked), order=None)
    return arranger.arranged(*asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The changes of one output in every split, and its metrics that get a verdict."""

    measured: list[Measured]
    judged: tuple[str, ...]


def _compared(
    both: tuple[ScoredOutput, ScoredOutput],
    arranged: Arranged,
    policy: Policy,
    audited: Sequence[Mapping[str, Any]],
    seed: int,
) -> tuple[dict[str, Any], list[_Row]]:
    """Return one output of the evidence, and its metrics before q is known."""
    layout, pair = arranged.layout, arranged.pair(_pair(*both))
    found = _measure(pair, layout, both, policy)
    known = [_estimates(one, found.measured, policy, audited, seed) for one in both]
    return _output(both, found, layout, pair, known, policy)


def _measure(
    pair: Pair, layout: Layout, both: tuple[ScoredOutput, ScoredOutput], policy: Policy
) -> _Found:
    judged = policy.verdict_metrics
    paired: PairedComparison | FurtherComparison
    if is_further(both[0]):
        paired = FurtherComparison(both, layout, policy)
        judged = paired.judged
    else:
        paired = PairedComparison(pair, layout)
    return _Found(
        measured=[paired.measure(split) for split in layout.splits],
        judged=tuple(metric for metric in judged if metric not in UNDIRECTED),
    )


def _estimates(
    version: ScoredOutput,
    found: Sequence[Measured],
    policy: Policy,
    audited: Sequence[Mapping[str, Any]],
    seed: int,
) -> Estimates:
    """Return one version's estimates of every group from an audit on exactly these rows."""
    n = int(found[0].split.counts.sum())
    for output in audited:
        same = (output["model"], output["name"]) == (version.model, version.name)
        if same and output["overall"]["n"] == n:
            return _by_group(output)
    return _by_group(audit_fairness([version], policy, seed=seed).to_dict()[0])


def _by_group(output: Mapping[str, Any]) -> Estimates:
    known = {frozenset[tuple[str, str]](): output["overall"]["metrics"]}
    for group in output["groups"]:
        known[frozenset(group["attributes"].items())] = group["metrics"]
    return known


def _output(
    both: tuple[ScoredOutput, ScoredOutput],
    found: _Found,
    layout: Layout,
    pair: Pair,
    known: Sequence[Estimates],
    policy: Policy,
) -> tuple[dict[str, Any], list[_Row]]:
    edges = policy.comparison.risk_bands if pair.probabilities else ()
    moves = None
    if edges:
        bands = (band_of(pair.base, edges), band_of(pair.candidate, edges))
        moves = Reclassification(layout, pair.y, bands, len(edges) + 1)
    groups, rows = [], []
    for one in found.measured:
        moved: Sequence[dict[str, Any] | None] = [None] * one.split.size
        if moves is not None:
            moved = moves.moves(one.split)
        for at in range(one.split.size):
            entry, of_group = _group(one, at, layout, pair, known, found.judged)
            groups.append(entry if moved[at] is None else {**entry, "reclassification": moved[at]})
            rows += of_group
    output = {
        "name": both[0].name,
        "task": pair.task,
        "thresholds": {"base": pair.base_threshold, "candidate": pair.candidate_threshold},
        "risk_bands": list(edges),
        "groups": groups,
        "shrinkage": list(shrunk_changes(found.measured, found.judged)),
    }
    return output, rows


def _group(
    one: Measured,
    at: int,
    layout: Layout,
    pair: Pair,
    known: Sequence[Estimates],
    judged: Sequence[str],
) -> tuple[dict[str, Any], list[_Row]]:
    attributes = one.split.labels[at]
    key = frozenset(attributes.items())
    counts = one.cells[at]
    n, positives = round(float(counts.sum())), round(float(counts[4:].sum()))
    metrics: dict[str, Any] = {}
    rows = []
    for metric, changes in one.changes.items():
        change = changes[at]
        metrics[metric] = {
            "base": known[0].get(key, {}).get(metric),
            "candidate": known[1].get(key, {}).get(metric),
            "delta": change.delta.to_dict(),
            "delta_90": [change.low_90, change.high_90],
            "test": change.test,
            "p": change.p,
            "difference_in_differences": change.did.to_dict(),
        }
        rows.append(
            _Row(
                metric=metric,
                declared=metric in judged,
                classes=(positives, n - positives),
                difference=change,
                entry=metrics[metric],
            )
        )
    entry = {
        "attributes": dict(attributes),
        "n": n,
        "patients": int(np.diff(one.split.bounds)[at]) if layout.named else None,
        "positives": positives,
        "reference": _reference(one.split),
        "metrics": metrics,
        **_flips(counts, pair),
    }
    return entry, rows


def _reference(split: Split) -> str | None:
    """Return whom the changes of a split's groups are set against."""
    if not split.names:
        return None
    return "rest" if split.reference is None else split.labels[split.reference][split.names[0]]


def _flips(counts: Any, pair: Pair) -> dict[str, Any]:
    """Count decisions that turned wrong (negative flips) and right (positive flips)."""
    n = round(float(counts.sum()))
    if not pair.calls:
        reason = "no threshold is declared"
        if pair.numbers or pair.task in DETAILED_TASKS:
            reason = f"a {pair.task} output calls no case"
        empty = {"k": None, "n": n, "reason": reason}
        return {"negative_flips": dict(empty), "positive_flips": dict(empty)}
    newly_called, newly_missed, found, lost = (round(float(counts[at])) for at in (1, 6, 5, 2))
    return {
        "negative_flips": {
            "k": newly_called + newly_missed,
            "n": n,
            "missed_positives": newly_missed,
        },
        "positive_flips": {"k": found + lost, "n": n, "found_positives": found},
    }


def _judge(rows: Sequence[_Row], policy: Policy) -> None:
    """Adjust p over every declared metric, group and output together, then reach verdicts."""
    family = [row for row in rows if row.declared and _evaluable(row, policy)]
    adjusted = benjamini_hochberg(np.array([row.difference.p for row in family], dtype=np.float64))
    q_of = {id(row): float(q) for row, q in zip(family, adjusted, strict=True)}
    for row in rows:
        q = q_of.get(id(row))
        margin = policy.margins.get(row.metric)
        row.entry["q"] = q
        row.entry["margin"] = margin
        if not row.declared or margin is None:
            why = (
                "no margin is declared for it" if row.declared else "not among the verdict metrics"
            )
            row.entry["verdict"], row.entry["reason"] = None, why
        elif not _evaluable(row, policy) and not _agreed(row):
            row.entry["verdict"] = "not_evaluable"
            row.entry["reason"] = row.difference.delta.reason or "too few cases"
        else:
            row.entry["verdict"], row.entry["reason"] = reach_verdict(
                row.metric, row.difference, q=q, margin=margin, alpha=policy.alpha
            )


def _agreed(row: _Row) -> bool:
    """Return whether both versions agree on every case, which few cases are enough to say."""
    return row.difference.p == 1.0 and not row.difference.se


def _evaluable(row: _Row, policy: Policy) -> bool:
    delta = row.difference.delta
    if delta.value is None or row.difference.p is None or delta.n is None:
        return False
    fewest = row.difference.fewest
    if fewest is not None:
        wanted = policy.min_effective_per_class if row.difference.per_class else None
        return fewest >= (wanted or policy.min_effective_n)
    if row.metric == "auroc":
        return min(row.classes) >= policy.min_effective_per_class
    if row.metric == "oe_ratio":
        return row.classes[0] >= policy.min_effective_n
    return delta.n / (delta.deff or 1.0) >= policy.min_effective_n
