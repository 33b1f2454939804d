"""Every metric of every group of one family, and its contrasts, from one pass over the rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audits.fairness.auprc import auprc_estimates
from audits.fairness.auroc import (
    Areas,
    Placements,
    area_estimates,
    measure_areas,
    twice_outranked,
)
from audits.fairness.between import area_spread, between_groups, rate_spread
from audits.fairness.calibration import (
    brier_estimates,
    ece_estimates,
    net_benefit_estimates,
    slope_and_intercept,
)
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
from audits.fairness.heterogeneity import estimate_heterogeneity, rate_heterogeneity
from audits.fairness.interactions import empirical_logits
from audits.fairness.means import Linear, linear_estimates, mean_of
from audits.fairness.number_errors import (
    ERROR_BOUNDS,
    contrast_means,
    mean_ratio,
    number_errors,
)
from audits.fairness.rates import (
    DENOMINATORS,
    NEEDS_NO_THRESHOLD,
    measure_rates,
    pair_counts,
    predicted_positive,
    rate_estimates,
)
from audits.fairness.ratios import REST, Ratio, group_sums, reference_sums
from audits.fairness.reference_areas import reference_areas
from audits.fairness.statistics.measure import Task, measure_task
from audits.fairness.tasks import statistics_of, task_of, verdicts_of
from audits.fairness.types import BoolArray, FloatArray, GroupResult, Heterogeneity, IntArray
from audits.fairness.utility import decision_curves, shared_threshold_regret
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
    predicted: BoolArray
    policy: Policy
    moments: NullMoments
    whole: tuple[IntArray, FloatArray]
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
    index: int, frame: Frame, everybody: Family, threshold: float | None, policy: Policy, seed: int
) -> Subject:
    """Prepare what all families of an output share."""
    cells = score_cells(frame, everybody.by_score, everybody.code, 1)
    return Subject(
        index=index,
        frame=frame,
        threshold=threshold,
        predicted=predicted_positive(frame, threshold),
        policy=policy,
        moments=_null_moments(cells),
        whole=twice_outranked(cells, frame),
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
    subject: Subject, family: Family, *, reference: int = REST, crossed: bool = False
) -> Measured:
    """Measure every group of a family and compare each with its reference.

    Args:
        subject: What is measured.
        family: The groups.
        reference: Index of the reference group, or ``REST``.
        crossed: Whether a declared intersection splits these groups further.
    """
    if task_of(subject.frame) is not None:
        return _measure_task(subject, family, reference, crossed=crossed)
    if subject.frame.regression:
        return _measure_numbers(subject, family, reference)
    frame, policy = subject.frame, subject.policy
    wanted = compared_groups(family, reference)
    verdict_metrics = policy.verdict_metrics if len(wanted) else ()
    if subject.threshold is None:
        verdict_metrics = tuple(m for m in verdict_metrics if m not in _thresholded())
    counts = pair_counts(frame, family, subject.predicted)
    rates = measure_rates(
        frame,
        family,
        counts,
        compared={metric: reference for metric in verdict_metrics if metric in DENOMINATORS},
    )
    cells = score_cells(frame, family.by_score, family.code, family.size)
    areas, placements = measure_areas(frame, family, cells)
    observed = _observed_expected(frame, family, reference, compare="oe_ratio" in verdict_metrics)
    estimates = _estimates(subject, family, cells, rates, areas, observed)
    between: list[Mapping[str, Mapping[str, Any]]] = []
    maker = _Contrasts(subject, family, reference, wanted, crossed=crossed)
    drafts: list[Draft] = []
    heterogeneity: list[Heterogeneity] = []
    for metric in verdict_metrics:
        if metric in rates:
            drafts += maker.rates(metric, rates[metric])
            heterogeneity += maker.rate_spread(metric, rates[metric])
            if family.declared:
                spread = rate_spread(metric, family, rates[metric], counts)
                between.append(between_groups(spread, subject.seed))
        elif metric == "auroc":
            drafts += maker.areas(areas, placements)
            heterogeneity += maker.spread(metric, areas.area, areas.variance)
            if family.declared:
                area = area_spread(family, areas, placements)
                between.append(between_groups(area, subject.seed))
        elif metric == "oe_ratio" and observed is not None:
            drafts += maker.observed(observed)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = observed.ratio.group.value
                of_logs = observed.ratio.group.variance / value**2
                logs = np.where(value > 0, np.log(value), np.nan)
            heterogeneity += maker.spread(metric, logs, of_logs)
    return Measured(
        groups=_group_results(subject, family, cells, estimates),
        drafts=tuple(drafts),
        heterogeneity=tuple(heterogeneity),
        between=tuple(between),
        sections=_sections(subject, family, cells, areas, placements, estimates),
    )


def _sections(
    subject: Subject,
    family: Family,
    cells: ScoreCells,
    areas: Areas,
    placements: Placements,
    estimates: Mapping[str, list[Estimate]],
) -> dict[str, list[dict[str, Any]]]:
    """Return decision curves, regret and cross areas of everybody or of an attribute's groups."""
    frame, threshold = subject.frame, subject.threshold
    out: dict[str, list[dict[str, Any]]] = {}
    if family.tier != "marginal" or not family.declared:
        return out
    if family.names and bool((family.code < family.size).all()):
        out["cross_auroc"] = cross_areas(frame, family, areas, placements, subject.whole[0])
    if frame.probabilities and threshold is not None and 0 < threshold < 1 and frame.n:
        deff = np.asarray([item.deff or 1.0 for item in estimates["net_benefit"]])
        out["decision_curve"] = decision_curves(frame, family, cells, deff)
        out["regret"] = shared_threshold_regret(frame, family, cells, subject.predicted, threshold)
    return out


def _thresholded() -> frozenset[str]:
    return frozenset(DENOMINATORS) - frozenset(NEEDS_NO_THRESHOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """Observed over expected events and the design effect of their residuals."""

    ratio: Ratio
    deff: float


def _observed_expected(
    frame: Frame, family: Family, reference: int, *, compare: bool
) -> _Observed | None:
    if not frame.probabilities:
        return None
    x, m = family.sum_to_pairs(frame.y), family.sum_to_pairs(frame.score)
    sums = group_sums(family, x, m)
    ref, shared = reference_sums(family, frame, x, m, sums, reference) if compare else (None, None)
    residual = frame.y - np.append(np.nan_to_num(sums.value), 0.0)[family.code] * frame.score
    inside = residual[family.code < family.size]
    by_pair = family.sum_to_pairs(residual)
    plain = float(inside @ inside)
    deff = max(1.0, float(by_pair @ by_pair) / plain) if plain > 0 and frame.clustered else 1.0
    return _Observed(ratio=Ratio(group=sums, rho=0.0, reference=ref, shared=shared), deff=deff)


def _estimates(
    subject: Subject,
    family: Family,
    cells: ScoreCells,
    rates: Mapping[str, Ratio],
    areas: Areas,
    observed: _Observed | None,
) -> dict[str, list[Estimate]]:
    frame, threshold = subject.frame, subject.threshold
    out: dict[str, list[Estimate]] = {}
    rows = family.sum_rows()
    for metric in DENOMINATORS:
        if threshold is None and metric not in NEEDS_NO_THRESHOLD:
            out[metric] = _all_undefined(NO_THRESHOLD, rows)
        else:
            out[metric] = rate_estimates(metric, rates[metric], named_patients=frame.named_patients)
    out["auroc"] = area_estimates(areas, named_patients=frame.named_patients)
    out["auprc"] = auprc_estimates(frame, family, cells)
    if observed is None:
        for metric in PROBABILITY_METRICS:
            out[metric] = _all_undefined(NO_PROBABILITY, rows)
        return out
    out["brier"] = brier_estimates(frame, family)
    out["ece_debiased"] = ece_estimates(frame, family, cells)
    slope, intercept = slope_and_intercept(frame, family, cells)
    out["calibration_slope"], out["calibration_intercept"] = slope, intercept
    out["oe_ratio"] = _oe_estimates(frame, family, observed)
    if threshold is None or not 0 < threshold < 1:
        reason = NO_THRESHOLD if threshold is None else "the threshold lies outside (0, 1)"
        out["net_benefit"] = _all_undefined(reason, rows)
    else:
        out["net_benefit"] = net_benefit_estimates(frame, family, subject.predicted, threshold)
    return out


def _all_undefined(reason: str, rows: FloatArray) -> list[Estimate]:
    return [Estimate.undefined(reason, n=int(n)) for n in rows]


def _oe_estimates(frame: Frame, family: Family, observed: _Observed) -> list[Estimate]:
    sums = observed.ratio.group
    value = np.where((sums.k > 0) & (sums.n > 0), sums.value, np.nan)
    measured = Linear(
        value=value,
        se=np.sqrt(sums.variance),
        df=np.maximum(np.minimum(sums.patients, sums.k) - 1, 1),
        deff=np.full(family.size, observed.deff),
        n=family.sum_rows(),
        patients=family.sum_pairs(np.ones(len(family.pair_group))),
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
    patients = family.sum_pairs(np.ones(len(family.pair_group)))
    names = tuple(estimates)
    return tuple(
        GroupResult(
            attributes=label,
            n=int(cells.positives[index] + cells.negatives[index]),
            patients=int(patients[index]) if subject.frame.named_patients else None,
            positives=int(cells.positives[index]),
            metrics={name: estimates[name][index] for name in names},
            declared=family.declared,
        )
        for index, label in enumerate(family.labels)
    )


class _Contrasts:
    """Makes the drafts and the heterogeneity of one family."""

    def __init__(
        self, subject: Subject, family: Family, reference: int, wanted: IntArray, *, crossed: bool
    ) -> None:
        self.subject, self.family, self.crossed = subject, family, crossed
        self.reference, self.wanted = reference, wanted
        self.reference_name = (
            "rest" if reference == REST else next(iter(family.labels[reference].values()))
        )
        self.patients = family.sum_pairs(np.ones(len(family.pair_group)))
        self.cohort = int(np.count_nonzero(np.bincount(family.pair_patient)))

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
            if not family.shared:
                return int(own + patients[self.reference])
            sides = (family.pair_group == index) | (family.pair_group == self.reference)
            return len(np.unique(family.pair_patient[sides]))
        if not family.shared:
            return int(patients.sum())
        return self.cohort

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

    def areas(self, areas: Areas, placements: Placements) -> list[Draft]:
        """Return the drafts of the AUROC."""
        frame, policy = self.subject.frame, self.subject.policy
        ref, covariance = reference_areas(
            frame,
            self.family,
            areas,
            placements,
            whole=self.subject.whole,
            reference=self.reference,
            wanted=self.wanted,
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
        rows = np.full(self.family.size, self.family.sum_rows().sum())
        if self.reference != REST:
            rows = self.family.sum_rows() + self.family.sum_rows()[self.reference]
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


def _measure_task(
    subject: Subject, family: Family, reference: int, *, crossed: bool
) -> Measured:
    """Measure what counts alone do not carry, by statistics with influence functions."""
    found = statistics_of(subject.frame, subject.threshold)
    task = Task(
        output=subject.index,
        frame=subject.frame,
        policy=subject.policy,
        statistics=found,
        verdicts=verdicts_of(subject.frame, subject.policy, found),
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
