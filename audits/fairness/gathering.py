"""What is summed over the rows of one family: all rows at once, or part after part from disk.

Two sweeps. The first counts: sums over patients behind every rate, behind observed over expected,
and the means. The second knows these and adds up squared influences. Every sum adds up over parts
of the rows as long as no part splits a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audits.fairness.auroc import area_sums
from audits.fairness.between import cross_products
from audits.fairness.calibration import BinnedError, worth_of
from audits.fairness.cells import PerLabel, ScoreCells, look_up
from audits.fairness.families import Family
from audits.fairness.frame import Frame
from audits.fairness.means import linear_sums
from audits.fairness.rates import (
    DENOMINATORS,
    MIRROR,
    complement,
    pair_counts,
    predicted_positive,
)
from audits.fairness.ratios import (
    REST,
    Ratio,
    Shared,
    Sums,
    group_sums,
    icc_from_sums,
    own_squares,
    reference_sums,
)
from audits.fairness.reference_areas import References, reference_sums_of_areas
from audits.fairness.types import FloatArray, IntArray
from audits.fairness.utility import OwnCuts

Totals = dict[str, FloatArray]
OBSERVED = "oe_ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some or all of the rows, with their groups and the cell of each row."""

    frame: Frame
    family: Family
    of_row: IntArray


class Rows(Protocol):
    """The rows of one family, whole or in parts that never split a patient."""

    @property
    def cells(self) -> ScoreCells:
        """Return the counts of all rows by group and score."""
        ...

    def parts(self) -> Iterator[Part]:
        """Return the parts, as often as asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePart:
    """All rows at once."""

    frame: Frame
    family: Family
    cells: ScoreCells

    def parts(self) -> Iterator[Part]:
        """Return the one part."""
        yield Part(frame=self.frame, family=self.family, of_row=self.cells.of_row)


def total(rows: Rows, function: Callable[[Part], Totals]) -> Totals:
    """Return the sum of a function over all parts."""
    out: Totals = {}
    for part in rows.parts():
        found = function(part)
        out = {name: out[name] + value for name, value in found.items()} if out else found
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSweep:
    """What the first sweep counts.

    Attributes:
        threshold: Of the output, or None.
        compared: Rates that are compared.
        reference: A group's index, or ``REST``.
        observed: Whether observed and expected events are summed.
        compare_observed: Whether they are compared.
        cuts: Each group's own cut, where there is a threshold inside (0, 1).
    """

    threshold: float | None
    compared: tuple[str, ...]
    reference: int
    observed: bool
    compare_observed: bool
    cuts: OwnCuts | None

    def __call__(self, part: Part) -> Totals:
        """Return the sums over one part."""
        frame, family = part.frame, part.family
        predicted = predicted_positive(frame, self.threshold)
        counts = pair_counts(frame, family, predicted)
        out: Totals = {}
        for metric in DENOMINATORS:
            if metric not in MIRROR or metric in self.compared:
                reference = self.reference if metric in self.compared else None
                out |= _ratio_sums(part, metric, *counts.of(metric), reference)
        if family.shared and self.reference != REST:
            there = np.bincount(
                family.pair_patient[family.pair_group == self.reference],
                minlength=frame.patients,
            )
            out["together"] = family.sum_pairs(there[family.pair_patient])
        if self.observed:
            x, m = family.sum_to_pairs(frame.y), family.sum_to_pairs(frame.score)
            reference = self.reference if self.compare_observed else None
            out |= _ratio_sums(part, OBSERVED, x, m, reference)
            out["mean brier"] = family.sum_rows((frame.score - frame.y) ** 2)
        if self.cuts is not None and self.threshold is not None:
            out["mean net_benefit"] = family.sum_rows(worth_of(frame, predicted, self.threshold))
            out["mean regret"] = family.sum_rows(self.cuts.gain(frame, family, predicted))
        return out


def _ratio_sums(
    part: Part, name: str, x: FloatArray, m: FloatArray, reference: int | None
) -> Totals:
    family = part.family
    sums = group_sums(family, x, m)
    out = {f"{name} {field}": getattr(sums, field) for field in Sums.__slots__}
    if part.frame.clustered:
        out[f"{name} own"] = np.asarray(own_squares(x, m))
    if reference is not None:
        ref, shared = reference_sums(family, part.frame, x, m, sums, reference)
        out |= {f"{name} ref {field}": getattr(ref, field) for field in Sums.__slots__}
        if shared is not None:
            out |= {f"{name} both {field}": getattr(shared, field) for field in Shared.__slots__}
    return out


def ratio_of(sums: Mapping[str, FloatArray], name: str, *, pooled: bool) -> Ratio:
    """Return a ratio from the sums of the first sweep.

    Args:
        sums: Over all parts.
        name: A rate, or ``oe_ratio``.
        pooled: Estimate the intra-class correlation; it is 0 otherwise.
    """
    group = Sums(**{field: sums[f"{name} {field}"] for field in Sums.__slots__})
    reference = shared = None
    if f"{name} ref k" in sums:
        reference = Sums(**{field: sums[f"{name} ref {field}"] for field in Sums.__slots__})
    if f"{name} both xx" in sums:
        shared = Shared(**{field: sums[f"{name} both {field}"] for field in Shared.__slots__})
    rho = icc_from_sums(float(sums[f"{name} own"]), group) if pooled else 0.0
    return Ratio(group=group, rho=rho, reference=reference, shared=shared)


def rates_of(sums: Mapping[str, FloatArray], *, clustered: bool) -> dict[str, Ratio]:
    """Return every rate of every group."""
    out = {
        metric: ratio_of(sums, metric, pooled=clustered)
        for metric in DENOMINATORS
        if f"{metric} k" in sums
    }
    for metric, source in MIRROR.items():
        if metric not in out:
            out[metric] = Ratio(group=complement(out[source].group), rho=out[source].rho)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSweep:
    """What the second sweep needs to know of all rows.

    Attributes:
        threshold: Of the output, or None.
        cells: Counts of all rows.
        n: Rows of each group.
        area: AUROC of each group.
        against: What each group's area is compared with; None where it is not.
        rates: Rates whose estimates correlate where patients are shared, with their sums.
        observed: Observed over expected of each group, or None.
        error: Binned calibration error, or None.
        columns: Values of the cells: of placements, of the gap of calibration, and of the influence
            on the statistics that are named.
        names: Statistics in the columns, after placement and gap.
        cuts: Each group's own cut, or None.
        means: Means of the first sweep, (groups,).
    """

    threshold: float | None
    cells: ScoreCells
    n: FloatArray
    area: FloatArray
    against: References | None
    rates: Mapping[str, Ratio]
    observed: FloatArray | None
    error: BinnedError | None
    columns: Sequence[PerLabel]
    names: tuple[str, ...]
    cuts: OwnCuts | None
    means: Mapping[str, FloatArray]

    def __call__(self, part: Part) -> Totals:
        """Return the sums over one part."""
        frame, family, cells = part.frame, part.family, self.cells
        value, gap, *flows = look_up(cells, self.columns, frame.positive, part.of_row)
        sums, influence = area_sums(frame, family, cells, value, self.area)
        out = {f"area {name}": value for name, value in sums.items()}
        if self.against is not None:
            found = reference_sums_of_areas(frame, family, self.against, influence)
            out |= {f"reference {name}": value for name, value in found.items()}
            if family.shared:
                out["products auroc"] = cross_products(family, influence)
        if family.shared:
            out |= self._rate_products(part)
        for name, flow in zip(self.names, flows, strict=True):
            out |= _linear(family, name, flow)
        return out | self._of_scores(part, gap)

    def _rate_products(self, part: Part) -> Totals:
        frame, family = part.frame, part.family
        counts = pair_counts(frame, family, predicted_positive(frame, self.threshold))
        out: Totals = {}
        for metric, ratio in self.rates.items():
            x, m = counts.of(metric)
            group, own = family.pair_group, ratio.group
            with np.errstate(divide="ignore", invalid="ignore"):
                flow = (x - own.value[group] * m) / own.n[group]
            out[f"products {metric}"] = cross_products(family, np.nan_to_num(flow))
        return out

    def _of_scores(self, part: Part, gap: FloatArray) -> Totals:
        frame, family = part.frame, part.family
        out: Totals = {}
        if self.error is not None and self.observed is not None:
            flow = self.error.influence(frame, family, gap)
            out |= _linear(family, "ece_debiased", flow)
            squared = (frame.score - frame.y) ** 2
            out |= _linear(family, "brier", self._centred(part, "brier", squared))
            level = np.append(np.nan_to_num(self.observed), 0.0)[family.code]
            residual = frame.y - level * frame.score
            inside = residual[family.code < family.size]
            by_pair = family.sum_to_pairs(residual)
            out["residual rows"] = np.asarray(inside @ inside)
            out["residual patients"] = np.asarray(by_pair @ by_pair)
        if self.cuts is not None and self.threshold is not None:
            predicted = predicted_positive(frame, self.threshold)
            worth = worth_of(frame, predicted, self.threshold)
            gain = self.cuts.gain(frame, family, predicted)
            out |= _linear(family, "net_benefit", self._centred(part, "net_benefit", worth))
            out |= _linear(family, "regret", self._centred(part, "regret", gain))
        return out

    def _centred(self, part: Part, name: str, values: FloatArray) -> FloatArray:
        """Return each row's influence on a mean."""
        mean, n = np.append(self.means[name], 0.0), np.append(self.n, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((values - mean[part.family.code]) / n[part.family.code])


def _linear(family: Family, name: str, influence: FloatArray) -> Totals:
    return {f"{name} {kind}": v for kind, v in linear_sums(family, influence).items()}
