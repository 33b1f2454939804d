"""Two versions of an output that counts do not carry: survival, regions, weighted cohorts.

Every metric of such a task states how far each row moves it (its influence function), in whichever
rows it is asked of. The change of a metric is moved by the difference of both, summed by patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, stdtrit

from audits.comparison.area_limits import area_limits
from audits.comparison.changes import (
    Z90,
    Limits,
    PairedDifference,
    influence_difference,
    root,
    undefined,
)
from audits.comparison.layout import Floats, Ints, Layout, Split
from audits.comparison.others import Spread, difference_in_differences
from audits.comparison.pair import Pair
from audits.comparison.paired import Measured
from audits.comparison.sums import CELLS, cells_of
from audits.errors import AuditError
from audits.fairness import DETAILED_TASKS, ScoredOutput
from audits.fairness.frame import build_frame
from audits.fairness.statistics.arms import Arm, measure_arm
from audits.fairness.statistics.point import Statistic
from audits.fairness.tasks import statistics_of, verdicts_of
from audits.policy import Policy


def is_further(output: ScoredOutput) -> bool:
    """Return whether an output's metrics are compared by their influence functions alone."""
    return output.task in DETAILED_TASKS or output.weights is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One metric of both versions in some rows.

    Attributes:
        arms: Base and candidate.
        flow: Influence of each patient on the change, (patients,).
    """

    arms: tuple[Arm, Arm]
    flow: Floats

    @property
    def delta(self) -> float:
        """Return candidate minus base."""
        return self.arms[1].point.value - self.arms[0].point.value


class FurtherComparison:
    """Measures both versions of a task's output, split by split.

    Args:
        both: Base and candidate on the same rows.
        layout: Groups and patients of the same rows.
        policy: Says which metrics get a verdict.

    Raises:
        AuditError: A version cannot measure some of the rows.
    """

    def __init__(
        self, both: tuple[ScoredOutput, ScoredOutput], layout: Layout, policy: Policy
    ) -> None:
        self.layout = layout
        self._frames = tuple(build_frame(one) for one in both)
        if any(frame.n != layout.n for frame in self._frames):
            raise AuditError(
                f"comparison of {both[0].name!r}: some of its {layout.n:,} rows cannot be "
                "measured in both versions; leave them out of the table."
            )
        self._statistics = tuple(
            statistics_of(frame, one.threshold)
            for frame, one in zip(self._frames, both, strict=True)
        )
        self.judged = verdicts_of(self._frames[0], policy, self._statistics[0])
        calls = [np.zeros(layout.n, dtype=np.bool_)] * 2
        if both[0].weights is not None and None not in (both[0].threshold, both[1].threshold):
            calls = [one.score >= (one.threshold or 0.0) for one in both]
        self._cells = cells_of(self._frames[0].positive, calls[0], calls[1])

    def measure(self, split: Split) -> Measured:
        """Return every metric's change in every group of a split."""
        rows = [
            np.sort(split.rows[split.row_bounds[g] : split.row_bounds[g + 1]])
            for g in range(split.size)
        ]
        table = np.bincount(split.code * CELLS + self._cells, minlength=CELLS * (split.size + 1))
        changes = {
            first.metric: self._metric((first, second), split, rows)
            for first, second in zip(*self._statistics, strict=True)
        }
        return Measured(
            split=split,
            cells=table.reshape(-1, CELLS)[: split.size].astype(np.float64),
            changes={metric: found for metric, (found, _) in changes.items()},
            values={metric: values for metric, (_, values) in changes.items()},
        )

    def _metric(
        self, statistics: tuple[Statistic, Statistic], split: Split, rows: Sequence[Ints]
    ) -> tuple[list[PairedDifference], Floats]:
        own = [self._change(statistics, one) for one in rows]
        others = self._others(statistics, split, rows, own)
        spread = Spread(
            delta=np.array([one.delta for one in own]),
            variance=np.array([_variance(one) for one in own]),
            rest=None if others is None else np.array([one.delta for one in others]),
            apart=None
            if others is None
            else np.array([_apart(a, b) for a, b in zip(own, others, strict=True)]),
        )
        found = [
            self._difference(statistics[0], one, split, spread, group)
            for group, one in enumerate(own)
        ]
        return found, np.array([[a.point.value for a in one.arms] for one in own]).T

    def _change(self, statistics: tuple[Statistic, Statistic], rows: Ints) -> _Change:
        base, candidate = (
            measure_arm(frame, statistic, rows)
            for frame, statistic in zip(self._frames, statistics, strict=True)
        )
        return _Change(arms=(base, candidate), flow=candidate.flow - base.flow)

    def _others(
        self,
        statistics: tuple[Statistic, Statistic],
        split: Split,
        rows: Sequence[Ints],
        own: Sequence[_Change],
    ) -> list[_Change] | None:
        """Return the change of whom each group is set against; None for everybody."""
        if not split.names:
            return None
        if split.reference is not None:
            return [own[split.reference]] * split.size
        found = []
        for group in rows:
            outside = np.ones(self.layout.n, dtype=np.bool_)
            outside[group] = False
            found.append(self._change(statistics, np.flatnonzero(outside)))
        return found

    def _difference(
        self, statistic: Statistic, change: _Change, split: Split, spread: Spread, group: int
    ) -> PairedDifference:
        base, candidate = change.arms
        missing = [arm.point.reason for arm in change.arms if not np.isfinite(arm.point.value)]
        if missing:
            return undefined(missing[0] or "undefined", int(split.counts[group]))
        fewest = min(base.fewest, candidate.fewest)
        variance = float(spread.variance[group])
        found = influence_difference(
            statistic.metric,
            delta=change.delta,
            variance=variance,
            n=min(base.rows, candidate.rows),
            patients=min(base.patients, candidate.patients) if self.layout.named else None,
            active=fewest,
            method="paired influence function" + (" by patient" if self.layout.named else ""),
            did=difference_in_differences(self.layout, split, spread, group),
            limits=_limits(change, variance, fewest) if statistic.scale == "logit" else None,
        )
        if base.rows != candidate.rows and found.delta.reason is None:
            reason = f"measured in {base.rows:,} cases of the base, {candidate.rows:,} of the other"
            found = replace(found, delta=replace(found.delta, reason=reason))
        found = replace(found, fewest=fewest, per_class=statistic.per_class)
        return _as_ratio(found, change) if statistic.scale == "log" else found


def pair_of(first: ScoredOutput, second: ScoredOutput) -> Pair:
    """Return what the evidence says of both versions beside their metrics."""
    weighted = first.weights is not None
    return Pair(
        y=first.y,
        base=first.score,
        candidate=second.score,
        base_threshold=first.threshold if weighted else None,
        candidate_threshold=second.threshold if weighted else None,
        probabilities=False,
        task=first.task,
    )


def _variance(change: _Change) -> float:
    """Return the variance of a change; what is only rounding of equal versions is none."""
    patients = min(arm.patients for arm in change.arms)
    if patients < 2:  # noqa: PLR2004 - one patient varies by nothing
        return float("nan")
    squares = float(change.flow @ change.flow)
    scale = sum(float(arm.flow @ arm.flow) for arm in change.arms)
    return 0.0 if squares <= _ROUNDING * scale else squares * patients / (patients - 1)


_ROUNDING = 1e-24


def _apart(own: _Change, other: _Change) -> float:
    flow = own.flow - other.flow
    return float(flow @ flow)


def _limits(change: _Change, variance: float, fewest: float) -> Limits | None:
    """Return the limits of a change of areas, which lie closer where areas are high."""
    if not variance > 0:
        return None
    areas = np.array([[arm.point.value] for arm in change.arms])
    spread = np.array([[arm.variance] for arm in change.arms])
    freedom = max(fewest - 1, 1.0)
    quantiles = stdtrit(freedom, np.array([[0.95], [0.975]]))
    low, high = area_limits(areas, spread, np.array([variance]), quantiles)
    return tuple(zip(low[:, 0].tolist(), high[:, 0].tolist(), strict=True))


def _as_ratio(found: PairedDifference, change: _Change) -> PairedDifference:
    """Test candidate over base on the log scale, where 0.8 is as far from 1 as 1.25."""
    base, candidate = (arm.point.value for arm in change.arms)
    if not found.se or base <= 0 or candidate <= 0:
        return found
    flow = change.arms[1].flow / candidate - change.arms[0].flow / base
    se = root(float(flow @ flow))
    if not se:
        return found
    gap, half = float(np.log(candidate / base)), Z90 * se
    return replace(
        found,
        p=float(2 * ndtr(-abs(gap) / se)),
        ratio_90=(float(np.exp(gap - half)), float(np.exp(gap + half))),
        nearer=float(abs(np.log(base)) - abs(np.log(candidate))),
    )
