"""Differences of two versions on the same cases: estimate, interval and p of all groups at once.

``delta`` is always candidate minus base. Rates whose denominator both versions share are judged
by their discordant pairs; every other metric by its influence function. Where patients repeat,
everything is summed within the patient first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audits.comparison.area_limits import area_limits
from audits.comparison.areas import AreaChange, Ranked, against_level, area_change, rank_scores
from audits.comparison.changes import (
    PairedDifference,
    as_ratios,
    influence_difference,
    quadratic,
    undefined,
)
from audits.comparison.layout import Floats, Layout, Split
from audits.comparison.moments import (
    Moments,
    from_joint,
    joint_moments,
    joint_sums,
    moments,
    pair_sums,
)
from audits.comparison.others import (
    Others,
    Spread,
    apart,
    difference_in_differences,
    reference_of,
    rest_of,
)
from audits.comparison.pair import PROBABLE, Pair, features_of
from audits.comparison.rates import rate_changes
from audits.comparison.ratios import (
    METRIC_OF,
    RATES,
    RATIOS,
    SCORED,
    Version,
    rate_weights,
    under_no_change,
)
from audits.comparison.rest_areas import RestAreas
from audits.comparison.slopes import Slopes
from audits.comparison.sums import CELLS, ClassSums


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The changes of every group of one split.

    Attributes:
        split: The groups.
        cells: Rows of each group by label × base's call × candidate's call, (groups, 8): the
            flips.
        changes: Metric to its change in each group.
        values: Metric to both versions' values in each group, (2, groups).
    """

    split: Split
    cells: Floats
    changes: dict[str, list[PairedDifference]]
    values: dict[str, Floats]


class PairedComparison:
    """Measures one output's two versions, split by split, on rows that are read once.

    Args:
        pair: Both versions.
        layout: Groups and patients of the same rows.
        metrics: What is wanted; default everything that the task compares.
        tests: Whether rates are tested; estimates and intervals alone come sooner.

    Raises:
        ValueError: If the pair and the layout have not the same rows.
    """

    def __init__(
        self,
        pair: Pair,
        layout: Layout,
        *,
        metrics: Sequence[str] | None = None,
        tests: bool = True,
    ) -> None:
        self._tests = tests
        if layout.n != len(pair.y):
            raise ValueError(f"{layout.n} rows in groups, {len(pair.y)} in scores")
        self.pair, self.layout = pair, layout
        self.metrics = pair.metrics if metrics is None else tuple(metrics)
        self.positive, self.cells = pair.positive, pair.cells
        self.features = features_of(pair, self.metrics)
        self.versions = tuple(
            Version(place=place, threshold=threshold)
            for place, threshold in enumerate((pair.base_threshold, pair.candidate_threshold))
        )
        every = layout.everybody
        self._whole = None
        if layout.clustered:
            by_pair = pair_sums(every, self.cells, self.features)
            self._whole = np.empty(by_pair.shape[::-1])
            self._whole[every.pair_patient] = by_pair.T
        sums = joint_sums(layout, self.cells)
        self._joint = joint_moments(layout, sums, self.features)
        self._classes = ClassSums(layout, self.positive, sums)
        self._all = self._moments(every)
        self._slope: Slopes | None = None
        self._ranked: tuple[Ranked, Ranked] | None = None
        self._rest: RestAreas | None = None
        if "auroc" in self.metrics:
            self._ranked = rank_scores(pair.base), rank_scores(pair.candidate)
            self._area = area_change(every, self.positive, self._ranked, self._classes)

    def measure(self, split: Split) -> Measured:
        """Return every metric's change in every group of a split."""
        found = self._all if split is self.layout.everybody else self._moments(split)
        others = self._others(split, found)
        changes: dict[str, list[PairedDifference]] = {}
        values: dict[str, Floats] = {}
        known = {metric: self._undefined(metric) for metric in self.metrics}
        rates = [metric for metric, why in known.items() if why is None and metric in RATES]
        spreads = {}
        for metric, why in known.items():
            if why is not None:
                changes[metric] = [undefined(why, int(n)) for n in split.counts]
            elif metric == "auroc":
                changes[metric], values[metric] = self._areas(split)
            elif metric == "calibration_slope":
                changes[metric], values[metric] = self._slopes(split)
            else:
                spreads[metric], values[metric] = self._spread(metric, found, others)
                if metric not in RATES:
                    changes[metric] = self._ratio(metric, split, found, spreads[metric])
        changes |= rate_changes(
            self.layout,
            split,
            found,
            {metric: spreads[metric] for metric in rates},
            tests=self._tests,
        )
        return Measured(
            split=split,
            cells=found.sums[:, :CELLS],
            changes={metric: changes[metric] for metric in self.metrics},
            values=values,
        )

    def _moments(self, split: Split) -> Moments:
        if self._joint is not None:
            return from_joint(split, self._joint)
        return moments(split, self.cells, self.features, self._whole)

    def _others(self, split: Split, found: Moments) -> Others:
        if split.reference is None:
            return rest_of(self._all, found)
        return reference_of(split, found, self.cells, self.features, self.layout.patients)

    def _undefined(self, metric: str) -> str | None:
        pair = self.pair
        if pair.numbers:
            return None
        if metric in PROBABLE and not pair.probabilities:
            return "scores are not probabilities"
        if metric in {*RATES, *RATIOS, "net_benefit"} and not self.pair.calls:
            return "no threshold is declared"
        thresholds = [pair.base_threshold or 0.0, pair.candidate_threshold or 0.0]
        if metric == "net_benefit" and not 0 < min(thresholds) <= max(thresholds) < 1:
            return "net benefit needs thresholds between 0 and 1"
        return None

    def _spread(self, metric: str, found: Moments, others: Others) -> tuple[Spread, Floats]:
        """Return a metric's change with its variances, and both versions' values."""
        grade = METRIC_OF[self.pair.numbers]
        both = [grade(metric, found.sums, version) for version in self.versions]
        outside = [grade(metric, others.sums, version) for version in self.versions]
        gradient = both[1][1] - both[0][1]
        spread = Spread(
            delta=both[1][0] - both[0][0],
            variance=quadratic(gradient, found.own, gradient),
            rest=outside[1][0] - outside[0][0],
            apart=apart(gradient, outside[1][1] - outside[0][1], found, others),
            null=self._null(metric, found),
        )
        return spread, np.stack([both[0][0], both[1][0]])

    def _null(self, metric: str, found: Moments) -> Floats | None:
        """Return the variance of a change if nothing changed, where the metric is so tested."""
        if metric not in SCORED:
            return None
        gradient = under_no_change(metric, found.sums, self.versions)
        return quadratic(gradient, found.own, gradient)

    def _ratio(
        self, metric: str, split: Split, found: Moments, spread: Spread
    ) -> list[PairedDifference]:
        active = None
        if metric in RATIOS:
            either = np.sum([rate_weights(metric, one)[1] for one in self.versions], axis=0) > 0
            active = np.minimum(found.sums[:, :CELLS] @ either, np.diff(split.bounds))
        changes = self._from_influence(split, metric, spread, active=active)
        if metric != "oe_ratio":
            return changes
        both = [METRIC_OF[False](metric, found.sums, version) for version in self.versions]
        expected = under_no_change(metric, found.sums, self.versions)
        return as_ratios(changes, both, found, expected)

    def _areas(self, split: Split) -> tuple[list[PairedDifference], Floats]:
        assert self._ranked is not None  # noqa: S101 - calls and risks are always ranked
        own, rest, between = self._area, None, None
        if split is not self.layout.everybody:
            own = area_change(split, self.positive, self._ranked, self._classes)
            rest, between = self._beside(split, own)
        spread = Spread(
            delta=own.candidate - own.base, variance=own.variance, rest=rest, apart=between
        )
        areas = np.stack([own.base, own.candidate])
        freedom = np.maximum(np.nan_to_num(own.freedom, nan=1.0), 1.0)
        quantiles = stdtrit(freedom, np.array([[0.95], [0.975]]))
        low, high = area_limits(areas, own.spread, own.variance, quantiles)
        limits = tuple(zip(low, high, strict=True))
        found = self._from_influence(split, "auroc", spread, limits=limits)
        return found, areas

    def _beside(self, split: Split, own: AreaChange) -> tuple[Floats, Floats]:
        """Return the others' change of the area and the variance of both apart."""
        if split.reference is not None:
            return against_level(split, own, self.layout.patients)
        if self._rest is None:
            assert self._ranked is not None  # noqa: S101 - as above
            self._rest = RestAreas(
                self.layout, self.positive, self._ranked, self._area, self._classes
            )
        left = self._rest.change(split, own)
        return left.delta, left.variance

    def _slopes(self, split: Split) -> tuple[list[PairedDifference], Floats]:
        if self._slope is None:
            scores = self.pair.base, self.pair.candidate
            self._slope = Slopes(self.layout, self.positive, scores)
        change = self._slope.change(split)
        spread = Spread(
            delta=change.values[1] - change.values[0],
            variance=change.variance,
            rest=None,
            apart=None,
        )
        return self._from_influence(split, "calibration_slope", spread), change.values

    def _from_influence(
        self,
        split: Split,
        metric: str,
        spread: Spread,
        *,
        active: Floats | None = None,
        limits: Sequence[tuple[Floats, Floats]] | None = None,
    ) -> list[PairedDifference]:
        method = "paired influence function" + (" by patient" if self.layout.named else "")
        patients = np.diff(split.bounds)
        return [
            influence_difference(
                metric,
                delta=float(spread.delta[group]),
                variance=float(spread.variance[group]),
                n=int(split.counts[group]),
                patients=int(patients[group]) if self.layout.named else None,
                active=float(patients[group] if active is None else active[group]),
                method=method,
                did=difference_in_differences(self.layout, split, spread, group),
                null=None if spread.null is None else float(spread.null[group]),
                limits=None
                if limits is None
                else tuple((float(low[group]), float(high[group])) for low, high in limits),
            )
            for group in range(split.size)
        ]
