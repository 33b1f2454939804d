"""Differences of two versions on the same cases: estimate, interval and p of all groups at once.

``delta`` is always candidate minus base. Rates whose denominator both versions share are judged
by their discordant pairs; every other metric by its influence function. Where patients repeat,
everything is summed within the patient first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import stdtrit

from audits.comparison.area_limits import area_limits
from audits.comparison.areas import Ranked, area_change, rank_scores
from audits.comparison.changes import (
    Z95,
    PairedDifference,
    as_ratios,
    influence_difference,
    quadratic,
    root,
    undefined,
)
from audits.comparison.layout import Floats, Layout, Split
from audits.comparison.mcnemar import exact_mcnemar, sign_flip_p, tango_interval
from audits.comparison.moments import CELLS, Moments, cells_of, moments, pair_sums
from audits.comparison.pair import PROBABLE, Pair, features_of
from audits.comparison.ratios import METRIC_OF, RATES, RATIOS, Version, rate_weights
from audits.comparison.rest_areas import rest_change
from audits.comparison.slopes import logits_of, slope_change
from audits.types import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The changes of every group of one split.

    Attributes:
        split: The groups.
        sums: Moments of the features, whose first cells hold the flips.
        changes: Metric to its change in each group.
        values: Metric to both versions' values in each group, (2, groups).
    """

    split: Split
    sums: Moments
    changes: dict[str, list[PairedDifference]]
    values: dict[str, Floats]


class PairedComparison:
    """Measures one output's two versions, split by split, on rows that are read once.

    Args:
        pair: Both versions.
        layout: Groups and patients of the same rows.
        metrics: What is wanted; default everything that the task compares.

    Raises:
        ValueError: If the pair and the layout have not the same rows.
    """

    def __init__(self, pair: Pair, layout: Layout, *, metrics: Sequence[str] | None = None) -> None:
        if layout.n != len(pair.y):
            raise ValueError(f"{layout.n} rows in groups, {len(pair.y)} in scores")
        self.pair, self.layout = pair, layout
        self.metrics = pair.metrics if metrics is None else tuple(metrics)
        self.positive = np.zeros(layout.n, bool) if pair.numbers else np.asarray(pair.y) == 1
        calls = pair.decisions
        self._called = calls is not None
        self.cells = cells_of(self.positive, *(calls or (np.zeros(layout.n, bool),) * 2))
        self.features = features_of(pair, self.metrics)
        self.versions = tuple(
            Version(place=place, threshold=threshold)
            for place, threshold in enumerate((pair.base_threshold, pair.candidate_threshold))
        )
        every = layout.everybody
        self._whole = None
        if layout.clustered:
            by_pair = pair_sums(every, self.cells, self.features)
            self._whole = np.empty_like(by_pair)
            self._whole[every.pair_patient] = by_pair
        self._all = moments(every, self.cells, self.features, self._whole)
        self._logits: tuple[Floats, Floats] | None = None
        self._ranked: tuple[Ranked, Ranked] | None = None
        if "auroc" in self.metrics:
            self._ranked = rank_scores(pair.base), rank_scores(pair.candidate)
            self._area = area_change(every, self.positive, self._ranked)

    def measure(self, split: Split) -> Measured:
        """Return every metric's change in every group of a split."""
        everybody = split is self.layout.everybody
        found = self._all
        if not everybody:
            found = moments(split, self.cells, self.features, self._whole)
        changes: dict[str, list[PairedDifference]] = {}
        values: dict[str, Floats] = {}
        for metric in self.metrics:
            reason = self._undefined(metric)
            if reason is not None:
                changes[metric] = [undefined(reason, int(n)) for n in split.counts]
                continue
            if metric == "auroc":
                changes[metric], values[metric] = self._areas(split)
            elif metric == "calibration_slope":
                changes[metric], values[metric] = self._slopes(split)
            else:
                changes[metric], values[metric] = self._ratio(metric, split, found)
        return Measured(split=split, sums=found, changes=changes, values=values)

    def _undefined(self, metric: str) -> str | None:
        pair = self.pair
        if pair.numbers:
            return None
        if metric in PROBABLE and not pair.probabilities:
            return "scores are not probabilities"
        if metric in {*RATES, *RATIOS, "net_benefit"} and not self._called:
            return "no threshold is declared"
        thresholds = [pair.base_threshold or 0.0, pair.candidate_threshold or 0.0]
        if metric == "net_benefit" and not 0 < min(thresholds) <= max(thresholds) < 1:
            return "net benefit needs thresholds between 0 and 1"
        return None

    def _ratio(
        self, metric: str, split: Split, found: Moments
    ) -> tuple[list[PairedDifference], Floats]:
        grade = METRIC_OF[self.pair.numbers]
        both = [grade(metric, found.sums, version) for version in self.versions]
        outside = [grade(metric, self._all.sums - found.sums, version) for version in self.versions]
        delta, gradient = both[1][0] - both[0][0], both[1][1] - both[0][1]
        spread = _Spread(
            delta=delta,
            variance=quadratic(gradient, found.own, gradient),
            rest=outside[1][0] - outside[0][0],
            apart=self._apart(gradient, outside[1][1] - outside[0][1], found),
        )
        values = np.stack([both[0][0], both[1][0]])
        if metric in RATES:
            return self._rates(metric, split, found, spread), values
        active = None
        if metric in RATIOS:
            either = np.sum([rate_weights(metric, one)[1] for one in self.versions], axis=0) > 0
            active = np.minimum(found.sums[:, :CELLS] @ either, np.diff(split.bounds))
        changes = self._from_influence(split, metric, spread, active=active)
        if metric == "oe_ratio":
            changes = as_ratios(changes, both, found)
        return changes, values

    def _apart(self, own: Floats, rest: Floats, found: Moments) -> Floats:
        """Return the variance of each group's change minus everybody else's."""
        total = self._all.own[0]
        both_t = np.swapaxes(found.both, 1, 2)
        outside = total - found.both - both_t + found.own
        return np.asarray(
            quadratic(own, found.own, own)
            + quadratic(rest, outside, rest)
            - 2 * quadratic(own, found.both - found.own, rest)
        )

    def _rates(
        self, metric: str, split: Split, found: Moments, spread: _Spread
    ) -> list[PairedDifference]:
        numerators = [rate_weights(metric, version)[0] for version in self.versions]
        _, denominator = rate_weights(metric, self.versions[0])
        change = numerators[1] - numerators[0]
        counts = found.sums[:, :CELLS]
        n = counts @ denominator
        gained, lost = counts @ (change > 0), counts @ (change < 0)
        whose = {"tpr": 1, "fnr": 1, "fpr": 2, "tnr": 2}.get(metric, 0)
        deff = self._design_effect(found, spread.variance, gained, lost, denominator)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = tango_interval(
                gained / deff, lost / deff, n / deff, level=np.array([[0.95], [0.90]])
            )
        p = self._flip_p(metric, split, found, gained, lost)
        alone = split.starts is None
        out = []
        for group in range(split.size):
            if n[group] == 0:
                out.append(undefined("no case in the denominator", int(split.counts[group])))
                continue
            patients = found.patients[whose][group]
            delta = Estimate(
                value=float(spread.delta[group]),
                low=float(low[0, group]),
                high=float(high[0, group]),
                n=int(n[group]),
                n_patients=int(patients) if self.layout.named else None,
                deff=float(deff[group]),
                method="tango" if deff[group] == 1.0 else "tango on effective counts",
            )
            out.append(
                PairedDifference(
                    delta=delta,
                    low_90=float(low[1, group]),
                    high_90=float(high[1, group]),
                    p=p[group],
                    test="exact mcnemar" if alone else "exact sign flip by patient",
                    did=self._did(split, spread, group),
                    se=root(spread.variance[group]),
                )
            )
        return out

    def _design_effect(
        self, found: Moments, variance: Floats, gained: Floats, lost: Floats, denominator: Floats
    ) -> Floats:
        """Return how much repeating patients inflate the variance of a difference, at least 1.

        Where nothing or nearly nothing is discordant the ratio cannot be estimated; the mean
        number of rows a patient has, weighted by rows, is its largest possible value and is used
        instead.
        """
        if not self.layout.clustered:
            return np.ones(len(gained))
        n = found.sums[:, :CELLS] @ denominator
        own = found.own[:, :CELLS, :CELLS]
        with np.errstate(divide="ignore", invalid="ignore"):
            largest = np.nan_to_num((own @ denominator) @ denominator / n, nan=1.0)
            alone = gained + lost - (gained - lost) ** 2 / n
            deff = np.clip(variance * n**2 / alone, 1.0, np.maximum(largest, 1.0))
        few = (gained + lost < 5) | ~(alone > 0)  # noqa: PLR2004 - as for Jeffreys
        return np.where(few, np.maximum(largest, 1.0), deff)

    def _flip_p(
        self, metric: str, split: Split, found: Moments, gained: Floats, lost: Floats
    ) -> list[float]:
        if found.net.shape[1] == 0:
            pairs = zip(gained.astype(int).tolist(), lost.astype(int).tolist(), strict=True)
            return [exact_mcnemar(up, down) for up, down in pairs]
        up, down = found.net
        net = {"tpr": up, "fnr": up, "fpr": down, "tnr": down, "accuracy": up - down}.get(
            metric, up + down
        )
        return [sign_flip_p(net[start:end]) for start, end in pairwise(split.bounds.tolist())]

    def _areas(self, split: Split) -> tuple[list[PairedDifference], Floats]:
        assert self._ranked is not None  # noqa: S101 - calls and risks are always ranked
        own, rest, apart = self._area, None, None
        if split is not self.layout.everybody:
            own = area_change(split, self.positive, self._ranked)
            left = rest_change(self.layout, split, self.positive, self._ranked, self._area, own)
            rest, apart = left.delta, left.variance
        spread = _Spread(
            delta=own.candidate - own.base, variance=own.variance, rest=rest, apart=apart
        )
        areas = np.stack([own.base, own.candidate])
        freedom = np.maximum(np.nan_to_num(own.freedom, nan=1.0), 1.0)
        limits = [
            area_limits(areas, own.spread, own.variance, stdtrit(freedom, quantile))
            for quantile in (0.95, 0.975)
        ]
        found = self._from_influence(split, "auroc", spread, limits=limits)
        return found, areas

    def _slopes(self, split: Split) -> tuple[list[PairedDifference], Floats]:
        if self._logits is None:
            self._logits = logits_of(self.pair.base), logits_of(self.pair.candidate)
        change = slope_change(split, self.positive, self._logits)
        spread = _Spread(
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
        spread: _Spread,
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
                did=self._did(split, spread, group),
                limits=None
                if limits is None
                else tuple((float(low[group]), float(high[group])) for low, high in limits),
            )
            for group in range(split.size)
        ]

    def _did(self, split: Split, spread: _Spread, group: int) -> Estimate:
        """Return the group's change minus the change of everybody else."""
        if not split.names:
            return Estimate.undefined("everybody has no rest to compare with")
        if spread.rest is None or spread.apart is None:
            return Estimate.undefined("not computed for this measure")
        value = float(spread.delta[group] - spread.rest[group])
        variance = float(spread.apart[group])
        if not np.isfinite(value) or not np.isfinite(variance):
            return Estimate.undefined("undefined in the group or outside it")
        se = root(variance)
        if not se:
            return Estimate(value=value, n=self.layout.n, reason="no variation between cases")
        half = Z95 * se
        return Estimate(
            value=value,
            low=value - half,
            high=value + half,
            n=self.layout.n,
            method="influence function" + (" by patient" if self.layout.named else ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """A change, its variance, everybody else's change and the variance of the two apart."""

    delta: Floats
    variance: Floats
    rest: Floats | None
    apart: Floats | None
