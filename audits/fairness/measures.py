"""Every metric of every group of one family, and its contrasts, from one pass over the rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audits.fairness.auprc import auprc_estimates, average_precision
from audits.fairness.auroc import Areas, area_estimates, area_values, areas_from, placement_values
from audits.fairness.between import area_spread, between_groups, rate_spread
from audits.fairness.calibration import LogisticFits, binned_error
from audits.fairness.cells import ScoreCells, score_cells
from audits.fairness.contrasts import (
    Contrast,
    NullMoments,
    contrast_areas,
    contrast_oe,
    contrast_rates,
)
from audits.fairness.cross_ranking import cross_areas
from audits.fairness.frame import Family, Frame
from audits.fairness.gathering import (
    FirstSweep,
    OnePart,
    Rows,
    SecondSweep,
    Totals,
    rates_of,
    ratio_of,
    total,
)
from audits.fairness.heterogeneity import estimate_heterogeneity, rate_heterogeneity
from audits.fairness.interactions import empirical_logits
from audits.fairness.means import Linear, linear_estimates, linear_from, mean_of
from audits.fairness.number_errors import (
    ERROR_BOUNDS,
    contrast_means,
    mean_ratio,
    number_errors,
)
from audits.fairness.rates import DENOMINATORS, NEEDS_NO_THRESHOLD, rate_estimates
from audits.fairness.ratios import REST, Ratio
from audits.fairness.reference_areas import References, reference_areas, references_of
from audits.fairness.statistics.measure import Task, measure_task
from audits.fairness.tasks import statistics_of, task_of, verdicts_of
from audits.fairness.types import FloatArray, GroupResult, Heterogeneity, IntArray
from audits.fairness.utility import OwnCuts, decision_curves, own_cuts, shared_threshold_regret
from audits.fairness.verdicts import Draft
from audits.policy import Policy
from audits.types import Estimate

METRICS = (
    *DENOMINATORS,
    "auroc",
    "auprc",
    "brier",
    "ece_debiased",
    "calibration_slope",
    "calibration_intercept",
    "oe_ratio",
    "net_benefit",
)
PROBABILITY_METRICS = METRICS[-6:]
NO_THRESHOLD = "no threshold is declared"
NO_PROBABILITY = "the scores are not probabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured: the rows of one output, its threshold and the policy it runs under."""

    index: int
    frame: Frame
    threshold: float | None
    rows: int
    policy: Policy
    moments: NullMoments
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The results of one family."""

    groups: tuple[GroupResult, ...]
    drafts: tuple[Draft, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    between: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    sections: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def make_subject(
    index: int,
    frame: Frame,
    cells: ScoreCells,
    threshold: float | None,
    policy: Policy,
    seed: int,
) -> Subject:
    """Prepare what all families of an output share.

    Args:
        index: Which output of the run it is.
        frame: The rows, or only what is known of all of them.
        cells: Everybody's counts by score, as one group.
        threshold: Predicted positive means score >= threshold.
        policy: The declaration.
        seed: Of everything random.
    """
    return Subject(
        index=index,
        frame=frame,
        threshold=threshold,
        rows=int(cells.positives[0] + cells.negatives[0]),
        policy=policy,
        moments=_null_moments(cells),
        seed=seed,
    )


def _null_moments(cells: ScoreCells) -> NullMoments:
    pos, neg = float(cells.positives[0]), float(cells.negatives[0])
    if pos * neg == 0:
        return NullMoments(var_pos=0.0, var_neg=0.0, cube_pos=0.0, cube_neg=0.0)
    for_pos = (cells.neg_below + cells.neg / 2) / neg
    for_neg = (pos - cells.pos_below - cells.pos / 2) / pos
    area = float(cells.pos @ for_pos) / pos
    return NullMoments(
        var_pos=float(cells.pos @ (for_pos - area) ** 2) / pos,
        var_neg=float(cells.neg @ (for_neg - area) ** 2) / neg,
        cube_pos=float(cells.pos @ (for_pos - area) ** 3) / pos,
        cube_neg=float(cells.neg @ (for_neg - area) ** 3) / neg,
    )


def compared_groups(family: Family, reference: int) -> IntArray:
    """Return the groups that are compared; two groups are one comparison."""
    if not family.names or len(family.occupied) < 2:  # noqa: PLR2004 - nobody to compare with
        return np.zeros(0, dtype=np.int64)
    if reference != REST:
        return np.asarray([g for g in range(family.size) if g != reference], dtype=np.int64)
    if len(family.occupied) == 2:  # noqa: PLR2004 - one comparison says it all
        return family.occupied[:1]
    return np.arange(family.size, dtype=np.int64)


def measure_family(
    subject: Subject,
    family: Family,
    *,
    reference: int = REST,
    crossed: bool = False,
    rows: Rows | None = None,
) -> Measured:
    """Measure every group of a family and compare each with its reference.

    Args:
        subject: What is measured.
        family: The groups.
        reference: Index of the reference group, or ``REST``.
        crossed: Whether a declared intersection splits these groups further.
        rows: The rows in parts; None where the subject's frame holds them all.
    """
    if task_of(subject.frame) is not None:
        return _measure_task(subject, family, reference, crossed=crossed)
    if subject.frame.regression:
        return _measure_numbers(subject, family, reference)
    return _measure_counts(subject, family, reference, crossed=crossed, rows=rows)


def _measure_counts(
    subject: Subject, family: Family, reference: int, *, crossed: bool, rows: Rows | None
) -> Measured:
    """Measure what is there or not, from counts by score and sums over patients."""
    frame, policy = subject.frame, subject.policy
    wanted = compared_groups(family, reference)
    verdict_metrics = policy.verdict_metrics if len(wanted) else ()
    if subject.threshold is None:
        verdict_metrics = tuple(m for m in verdict_metrics if m not in _thresholded())
    if rows is None:
        cells = score_cells(frame, family.by_score, family.code, family.size)
        rows = OnePart(frame=frame, family=family, cells=cells)
    swept = _sweep(subject, family, rows, reference, wanted, verdict_metrics)
    rates, areas, observed = swept.rates, swept.areas, swept.observed
    estimates = _estimates(subject, family, swept)
    between: list[Mapping[str, Mapping[str, Any]]] = []
    maker = _Contrasts(subject, family, reference, wanted, crossed=crossed, swept=swept)
    drafts: list[Draft] = []
    heterogeneity: list[Heterogeneity] = []
    for metric in verdict_metrics:
        products = swept.second.get(f"products {metric}")
        if metric in rates:
            drafts += maker.rates(metric, rates[metric])
            heterogeneity += maker.rate_spread(metric, rates[metric])
            if family.declared:
                spread = rate_spread(metric, family, rates[metric], products)
                between.append(between_groups(spread, subject.seed))
        elif metric == "auroc":
            drafts += maker.areas(areas)
            heterogeneity += maker.spread(metric, areas.area, areas.variance)
            if family.declared:
                area = area_spread(family, areas, products)
                between.append(between_groups(area, subject.seed))
        elif metric == "oe_ratio" and observed is not None:
            drafts += maker.observed(observed)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = observed.ratio.group.value
                of_logs = observed.ratio.group.variance / value**2
                logs = np.where(value > 0, np.log(value), np.nan)
            heterogeneity += maker.spread(metric, logs, of_logs)
    return Measured(
        groups=_group_results(subject, family, swept.cells, estimates),
        drafts=tuple(drafts),
        heterogeneity=tuple(heterogeneity),
        between=tuple(between),
        sections=_sections(subject, family, swept, estimates),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swept:
    """What both sweeps over the rows of a family found."""

    cells: ScoreCells
    n: FloatArray
    rates: Mapping[str, Ratio]
    areas: Areas
    against: References | None
    observed: _Observed | None
    values: Mapping[str, FloatArray]
    fits: LogisticFits | None
    cuts: OwnCuts | None
    first: Totals
    second: Totals

    def linear(self, family: Family, name: str) -> Linear:
        """Return a statistic with the error its influence implies."""
        sums = {kind: self.second[f"{name} {kind}"] for kind in ("patients", "rows")}
        return linear_from(family, self.values[name], sums, self.n)


def _sweep(
    subject: Subject,
    family: Family,
    rows: Rows,
    reference: int,
    wanted: IntArray,
    metrics: tuple[str, ...],
) -> _Swept:
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
    return _Swept(
        cells=cells,
        n=n,
        rates=rates,
        areas=areas_from(sums, family, cells, area, clustered=frame.clustered),
        against=against,
        observed=None if ratio is None else _observed(ratio, second, clustered=frame.clustered),
        values=values,
        fits=fits,
        cuts=cuts,
        first=first,
        second=second,
    )


def _sections(
    subject: Subject, family: Family, swept: _Swept, estimates: Mapping[str, list[Estimate]]
) -> dict[str, list[dict[str, Any]]]:
    """Return decision curves, regret and cross areas of everybody or of an attribute's groups."""
    frame, cells = subject.frame, swept.cells
    out: dict[str, list[dict[str, Any]]] = {}
    if family.tier != "marginal" or not family.declared:
        return out
    if family.names and int(swept.n.sum()) == subject.rows:
        out["cross_auroc"] = cross_areas(
            family, cells, swept.areas, distinct=len(frame.distinct), clustered=frame.clustered
        )
    if swept.cuts is not None and subject.rows:
        deff = np.asarray([item.deff or 1.0 for item in estimates["net_benefit"]])
        out["decision_curve"] = decision_curves(frame, family, cells, deff)
        out["regret"] = shared_threshold_regret(
            frame, family, swept.cuts, swept.linear(family, "regret")
        )
    return out


def _thresholded() -> frozenset[str]:
    return frozenset(DENOMINATORS) - frozenset(NEEDS_NO_THRESHOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """Observed over expected events and the design effect of their residuals."""

    ratio: Ratio
    deff: float


def _observed(ratio: Ratio, sums: Totals, *, clustered: bool) -> _Observed:
    plain, patients = float(sums["residual rows"]), float(sums["residual patients"])
    deff = max(1.0, patients / plain) if plain > 0 and clustered else 1.0
    return _Observed(ratio=ratio, deff=deff)


def _estimates(subject: Subject, family: Family, swept: _Swept) -> dict[str, list[Estimate]]:
    frame, threshold, rows = subject.frame, subject.threshold, swept.n
    named = frame.named_patients
    out: dict[str, list[Estimate]] = {}
    for metric in DENOMINATORS:
        if threshold is None and metric not in NEEDS_NO_THRESHOLD:
            out[metric] = _all_undefined(NO_THRESHOLD, rows)
        else:
            out[metric] = rate_estimates(metric, swept.rates[metric], named_patients=named)
    out["auroc"] = area_estimates(swept.areas, named_patients=named)
    out["auprc"] = auprc_estimates(frame, swept.linear(family, "auprc"), swept.cells)
    if swept.observed is None or swept.fits is None:
        for metric in PROBABILITY_METRICS:
            out[metric] = _all_undefined(NO_PROBABILITY, rows)
        return out
    out["brier"] = linear_estimates(
        frame, swept.linear(family, "brier"), undefined=lambda _: "no cases", bounds=(0.0, 1.0)
    )
    out["ece_debiased"] = linear_estimates(
        frame,
        swept.linear(family, "ece_debiased"),
        undefined=lambda _: "fewer than two cases",
    )
    for metric in ("calibration_slope", "calibration_intercept"):
        out[metric] = swept.fits.estimates(frame, swept.linear(family, metric))
    out["oe_ratio"] = _oe_estimates(frame, family, swept.observed, rows)
    if threshold is None or swept.cuts is None:
        reason = NO_THRESHOLD if threshold is None else "the threshold lies outside (0, 1)"
        out["net_benefit"] = _all_undefined(reason, rows)
    else:
        out["net_benefit"] = linear_estimates(
            frame,
            swept.linear(family, "net_benefit"),
            undefined=lambda _: "no cases",
            bounds=(-threshold / (1 - threshold), 1.0),
        )
    return out


def _all_undefined(reason: str, rows: FloatArray) -> list[Estimate]:
    return [Estimate.undefined(reason, n=int(n)) for n in rows]


def _oe_estimates(
    frame: Frame, family: Family, observed: _Observed, rows: FloatArray
) -> list[Estimate]:
    sums = observed.ratio.group
    value = np.where((sums.k > 0) & (sums.n > 0), sums.value, np.nan)
    measured = Linear(
        value=value,
        se=np.sqrt(sums.variance),
        df=np.maximum(np.minimum(sums.patients, sums.k) - 1, 1),
        deff=np.full(family.size, observed.deff),
        n=rows,
        patients=family.patients,
    )

    def undefined(index: int) -> str:
        if measured.n[index] == 0:
            return "no cases"
        if sums.n[index] == 0:
            return "no expected events"
        return f"no observed events against {sums.n[index]:.3g} expected"

    return linear_estimates(frame, measured, undefined=undefined, log=True)


def _group_results(
    subject: Subject, family: Family, cells: ScoreCells, estimates: Mapping[str, list[Estimate]]
) -> tuple[GroupResult, ...]:
    names = tuple(estimates)
    return tuple(
        GroupResult(
            attributes=label,
            n=int(cells.positives[index] + cells.negatives[index]),
            patients=int(family.patients[index]) if subject.frame.named_patients else None,
            positives=int(cells.positives[index]),
            metrics={name: estimates[name][index] for name in names},
            declared=family.declared,
        )
        for index, label in enumerate(family.labels)
    )


class _Contrasts:
    """Makes the drafts and the heterogeneity of one family."""

    def __init__(
        self,
        subject: Subject,
        family: Family,
        reference: int,
        wanted: IntArray,
        *,
        crossed: bool,
        swept: _Swept | None = None,
    ) -> None:
        self.subject, self.family, self.crossed = subject, family, crossed
        self.swept = swept
        self.reference, self.wanted = reference, wanted
        self.reference_name = (
            "rest" if reference == REST else next(iter(family.labels[reference].values()))
        )
        self.patients = family.patients

    def _drafts(  # noqa: PLR0913, PLR0917 - what differs between metrics
        self,
        metric: str,
        contrast: Contrast,
        scale: tuple[FloatArray, FloatArray],
        method: str,
        rows: FloatArray,
        patients: FloatArray,
        counts: tuple[FloatArray, ...] | None = None,
    ) -> list[Draft]:
        named = self.subject.frame.named_patients
        out = []
        for index in self.wanted.tolist():
            four = None if counts is None else tuple(int(item[index]) for item in counts)
            out.append(
                Draft(
                    output=self.subject.index,
                    metric=metric,
                    family=self.family,
                    index=index,
                    reference=self.reference_name,
                    contrast=contrast,
                    counts=four,  # type: ignore[arg-type]
                    rows=int(rows[index]),
                    patients=float(patients[index]) if named else None,
                    everyone=self._everyone(patients, index) if named else None,
                    scale=scale,
                    method=method,
                    crossed=self.crossed,
                )
            )
        return out

    def _everyone(self, patients: FloatArray, index: int) -> int:
        """Return the patients behind a difference: those of the group and of its reference."""
        own, family = float(patients[index]), self.family
        if self.reference != REST:
            both = 0.0
            if family.shared and self.swept is not None:
                both = float(self.swept.first["together"][index])
            return int(own + patients[self.reference] - both)
        return family.cohort if family.shared else int(patients.sum())

    def rates(self, metric: str, ratio: Ratio) -> list[Draft]:
        """Return the drafts of a rate."""
        policy = self.subject.policy
        contrast = contrast_rates(
            metric, ratio, margin=policy.margins[metric], needed=policy.min_effective_n
        )
        own, ref = ratio.group, ratio.reference
        if ref is None:
            return []
        deff = own.deff(ratio.rho)
        return self._drafts(
            metric,
            contrast,
            empirical_logits(own.k / deff, own.n / deff),
            "newcombe" if ratio.shared is None else "newcombe with correlation",
            own.n + ref.n,
            own.patients,
            (own.k, own.n, ref.k, ref.n),
        )

    def areas(self, areas: Areas) -> list[Draft]:
        """Return the drafts of the AUROC."""
        frame, policy, swept = self.subject.frame, self.subject.policy, self.swept
        if swept is None or swept.against is None:
            return []
        prefix = "reference "
        ref, covariance = reference_areas(
            {k.removeprefix(prefix): v for k, v in swept.second.items() if k.startswith(prefix)},
            self.family,
            areas,
            swept.against,
            clustered=frame.clustered,
        )
        contrast = contrast_areas(
            areas,
            ref,
            covariance,
            self.subject.moments,
            shared=self.family.shared,
            clustered=frame.clustered,
            margin=policy.margins["auroc"],
            needed=policy.min_effective_per_class,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.clip(areas.area, 1e-9, 1 - 1e-9)
            scale = np.log(inner / (1 - inner)), areas.variance / (inner * (1 - inner)) ** 2
        rows = areas.positives + areas.negatives + ref.positives + ref.negatives
        return self._drafts("auroc", contrast, scale, "from both arms' limits", rows, self.patients)

    def observed(self, observed: _Observed) -> list[Draft]:
        """Return the drafts of observed over expected."""
        policy, own = self.subject.policy, observed.ratio.group
        contrast = contrast_oe(
            observed.ratio,
            deff=observed.deff,
            margin=policy.margins["oe_ratio"],
            needed=policy.min_effective_n,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(own.k > 0, own.value, np.nan)
            scale = np.log(value), own.variance / value**2
        own_rows = np.zeros(self.family.size) if self.swept is None else self.swept.n
        rows = np.full(self.family.size, own_rows.sum())
        if self.reference != REST:
            rows = own_rows + own_rows[self.reference]
        return self._drafts(
            "oe_ratio", contrast, scale, "log ratio, influence function", rows, self.patients
        )

    def means(self, metric: str, ratio: Ratio, deff: float) -> list[Draft]:
        """Return the drafts of a mean error."""
        policy, own = self.subject.policy, ratio.group
        contrast = contrast_means(
            ratio, deff=deff, margin=policy.margins[metric], needed=policy.min_effective_n
        )
        rows = own.n + (own.n if ratio.reference is None else ratio.reference.n)
        return self._drafts(
            metric,
            contrast,
            (own.value, own.variance),
            "t, influence function",
            rows,
            self.patients,
        )

    def rate_spread(self, metric: str, ratio: Ratio) -> list[Heterogeneity]:
        """Return the heterogeneity of a rate, where the family is declared."""
        if not self.family.declared:
            return []
        name = self.family.name
        key = zlib.crc32(f"{self.subject.index}|{metric}|{name}".encode())
        rng = np.random.default_rng([self.subject.seed, key])
        effective = ratio.group.n / ratio.group.deff(ratio.rho)
        return [rate_heterogeneity(metric, name, ratio.group.value, effective, rng)]

    def spread(self, metric: str, values: FloatArray, variances: FloatArray) -> list[Heterogeneity]:
        """Return the heterogeneity of estimates, where the family is declared."""
        if not self.family.declared:
            return []
        return [estimate_heterogeneity(metric, self.family.name, values, variances)]


def _measure_task(subject: Subject, family: Family, reference: int, *, crossed: bool) -> Measured:
    """Measure what counts alone do not carry, by statistics with influence functions."""
    found = statistics_of(subject.frame, subject.threshold)
    task = Task(
        output=subject.index,
        frame=subject.frame,
        policy=subject.policy,
        statistics=found,
        verdicts=verdicts_of(subject.frame, subject.policy, found),
        explored=task_of(subject.frame) != "weighted",
    )
    result = measure_task(
        task,
        family,
        reference=reference,
        wanted=compared_groups(family, reference),
        crossed=crossed,
    )
    return Measured(
        groups=_number_groups(subject, family, result.estimates),
        drafts=result.drafts,
        heterogeneity=result.heterogeneity,
    )


def _measure_numbers(subject: Subject, family: Family, reference: int) -> Measured:
    """Measure outcomes that are numbers: errors in their unit."""
    frame, policy = subject.frame, subject.policy
    wanted = compared_groups(family, reference)
    maker = _Contrasts(subject, family, reference, wanted, crossed=False)
    estimates, drafts, heterogeneity = {}, [], []
    for metric, error in number_errors(frame).items():
        estimates[metric] = linear_estimates(
            frame,
            mean_of(family, error),
            undefined=lambda _: "no cases",
            bounds=ERROR_BOUNDS[metric],
        )
        if metric in policy.verdict_metrics and len(wanted):
            ratio, deff = mean_ratio(frame, family, error, reference)
            drafts += maker.means(metric, ratio, deff)
            heterogeneity += maker.spread(metric, ratio.group.value, ratio.group.variance)
    return Measured(
        groups=_number_groups(subject, family, estimates),
        drafts=tuple(drafts),
        heterogeneity=tuple(heterogeneity),
    )


def _number_groups(
    subject: Subject, family: Family, estimates: Mapping[str, list[Estimate]]
) -> tuple[GroupResult, ...]:
    rows = family.sum_rows()
    patients = family.sum_pairs(np.ones(len(family.pair_group)))
    counted = not subject.frame.regression
    positives = family.sum_rows(subject.frame.y) if counted else np.zeros(family.size)
    return tuple(
        GroupResult(
            attributes=label,
            n=int(rows[index]),
            patients=int(patients[index]) if subject.frame.named_patients else None,
            positives=int(positives[index]),
            metrics={name: values[index] for name, values in estimates.items()},
            declared=family.declared,
        )
        for index, label in enumerate(family.labels)
    )
