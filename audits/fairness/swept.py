"""Both sweeps over the rows of a family, and what they found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audits.fairness.auprc import average_precision
from audits.fairness.auroc import Areas, area_values, areas_from, placement_values
from audits.fairness.calibration import LogisticFits, binned_error
from audits.fairness.cells import ScoreCells
from audits.fairness.families import Family
from audits.fairness.gathering import (
    FirstSweep,
    Rows,
    SecondSweep,
    Totals,
    rates_of,
    ratio_of,
    total,
)
from audits.fairness.means import Linear, linear_from
from audits.fairness.rates import DENOMINATORS
from audits.fairness.ratios import Ratio
from audits.fairness.reference_areas import References, references_of
from audits.fairness.subject import Subject
from audits.fairness.types import FloatArray, IntArray
from audits.fairness.utility import OwnCuts, own_cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Observed over expected events and the design effect of their residuals."""

    ratio: Ratio
    deff: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What both sweeps over the rows of a family found."""

    cells: ScoreCells
    n: FloatArray
    rates: Mapping[str, Ratio]
    areas: Areas
    against: References | None
    observed: Observed | None
    values: Mapping[str, FloatArray]
    fits: LogisticFits | None
    cuts: OwnCuts | None
    first: Totals
    second: Totals

    def linear(self, family: Family, name: str) -> Linear:
        """Return a statistic with the error its influence implies."""
        sums = {kind: self.second[f"{name} {kind}"] for kind in ("patients", "rows")}
        return linear_from(family, self.values[name], sums, self.n)


def sweep(
    subject: Subject,
    family: Family,
    rows: Rows,
    reference: int,
    wanted: IntArray,
    metrics: tuple[str, ...],
) -> Swept:
    """Sweep twice over the rows of a family.

    Args:
        subject: What is measured.
        family: The groups.
        rows: The rows, in parts.
        reference: Index of the reference group, or ``REST``.
        wanted: Groups that are compared.
        metrics: What is compared.
    """
    frame, threshold, cells = subject.frame, subject.threshold, rows.cells
    n = (cells.positives + cells.negatives).astype(np.float64)
    inner = frame.probabilities and threshold is not None and 0 < threshold < 1
    cuts = own_cuts(cells, frame.distinct, threshold) if inner and threshold else None
    first = total(
        rows,
        FirstSweep(
            threshold=threshold,
            compared=tuple(metric for metric in metrics if metric in DENOMINATORS),
            reference=reference,
            observed=frame.probabilities,
            compare_observed="oe_ratio" in metrics,
            cuts=cuts,
        ),
    )
    rates = rates_of(first, clustered=frame.clustered)
    ratio = ratio_of(first, "oe_ratio", pooled=False) if frame.probabilities else None
    error = binned_error(cells, frame.distinct) if frame.probabilities else None
    fits = LogisticFits(cells, frame.distinct) if frame.probabilities else None
    with np.errstate(divide="ignore", invalid="ignore"):
        means = {
            name.removeprefix("mean "): np.where(n > 0, value / n, np.nan)
            for name, value in first.items()
            if name.startswith("mean ")
        }
    against = None
    if "auroc" in metrics:
        against = references_of(cells, len(frame.distinct), reference=reference, wanted=wanted)
    area = area_values(cells)
    precision, *per_label = average_precision(cells)
    flows = {"auprc": (per_label[0], per_label[1]), **(fits.influence() if fits else {})}
    gap = np.zeros(len(cells.group)) if error is None else error.gap
    second = total(
        rows,
        SecondSweep(
            threshold=threshold,
            cells=cells,
            n=n,
            area=area,
            against=against,
            rates={metric: rates[metric] for metric in metrics if metric in rates},
            observed=None if ratio is None else ratio.group.value,
            error=error,
            columns=[placement_values(cells), (gap, gap), *flows.values()],
            names=tuple(flows),
            cuts=cuts,
            means=means,
        ),
    )
    sums = {name.removeprefix("area "): v for name, v in second.items() if name[:5] == "area "}
    values = {**means, "auprc": precision}
    if error is not None and fits is not None:
        values |= {
            "ece_debiased": error.value,
            "calibration_slope": fits.slope,
            "calibration_intercept": fits.intercept,
        }
    return Swept(
        cells=cells,
        n=n,
        rates=rates,
        areas=areas_from(sums, family, cells, area, clustered=frame.clustered),
        against=against,
        observed=None if ratio is None else observed_of(ratio, second, clustered=frame.clustered),
        values=values,
        fits=fits,
        cuts=cuts,
        first=first,
        second=second,
    )


def observed_of(ratio: Ratio, sums: Totals, *, clustered: bool) -> Observed:
    """Return observed over expected with the design effect that the second sweep found."""
    plain, patients = float(sums["residual rows"]), float(sums["residual patients"])
    deff = max(1.0, patients / plain) if plain > 0 and clustered else 1.0
    return Observed(ratio=ratio, deff=deff)
