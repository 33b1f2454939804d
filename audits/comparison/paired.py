"""Differences of two versions on the same cases: estimate, interval and p, group by group.

``delta`` is always candidate minus base. Rates whose denominator both versions share are judged
by their discordant pairs; every other metric by its influence function. Where patients repeat,
everything is summed within the patient first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from audits.comparison.influence import (
    RATES,
    RATIOS,
    Bools,
    Floats,
    auroc_influence,
    brier_influence,
    net_benefit_influence,
    rate_influence,
    rate_parts,
)
from audits.comparison.mcnemar import sign_flip_p, tango_interval
from audits.types import Estimate

METRICS = (*RATES, *RATIOS, "auroc", "brier", "net_benefit")
"""Every metric that is compared, in the order of the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The scores of two versions on the same cases.

    Attributes:
        y: (n,) labels 0 or 1.
        base: (n,) scores of the base version.
        candidate: (n,) scores of the candidate.
        base_threshold: Threshold of the base on its score, or None.
        candidate_threshold: Threshold of the candidate, or None.
        probabilities: Whether both scores are probabilities.
        patients: (n,) patient codes, or None where rows are independent.
    """

    y: npt.NDArray[np.int8]
    base: Floats
    candidate: Floats
    base_threshold: float | None
    candidate_threshold: float | None
    probabilities: bool
    patients: npt.NDArray[np.int64] | None

    def subset(self, rows: Bools) -> Pair:
        """Return the pair on some of the rows."""
        return Pair(
            y=self.y[rows],
            base=self.base[rows],
            candidate=self.candidate[rows],
            base_threshold=self.base_threshold,
            candidate_threshold=self.candidate_threshold,
            probabilities=self.probabilities,
            patients=None if self.patients is None else self.patients[rows],
        )

    @property
    def decisions(self) -> tuple[Bools, Bools] | None:
        """Return what each version decides, or None without thresholds."""
        if self.base_threshold is None or self.candidate_threshold is None:
            return None
        return self.base >= self.base_threshold, self.candidate >= self.candidate_threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """One metric's change in one group.

    Attributes:
        delta: Candidate minus base with its 95 % interval.
        low_90: Lower 90 % limit, for equivalence and non-inferiority.
        high_90: Upper 90 % limit.
        p: Two-sided p of no change, or None with the reason in ``delta``.
        test: Name of the test.
        influence: (n,) each row's influence on the difference, for difference-in-differences.
    """

    delta: Estimate
    low_90: float | None
    high_90: float | None
    p: float | None
    test: str
    influence: Floats | None


def paired_difference(metric: str, pair: Pair) -> PairedDifference:
    """Compare two versions on one metric.

    Args:
        metric: One of :data:`METRICS`.
        pair: The versions on the group's rows.

    Returns:
        The difference; ``delta.value`` is None with a reason where either version's metric is
        undefined. Identical versions give difference 0 with p = 1.

    Raises:
        ValueError: If the metric is not one that can be compared.
    """
    if metric not in METRICS:
        raise ValueError(metric)
    values = _influences(metric, pair)
    if isinstance(values, str):
        return _undefined(values, pair)
    (base, phi_base), (candidate, phi_candidate) = values
    if math.isnan(base) or math.isnan(candidate):
        return _undefined("no case in the denominator", pair)
    phi = phi_candidate - phi_base
    if metric in RATES:
        return _rate_difference(metric, pair, candidate - base, phi)
    return _influence_difference(candidate - base, phi, pair)


_Two = tuple[tuple[float, Floats], tuple[float, Floats]]


def _influences(metric: str, pair: Pair) -> _Two | str:
    if len(pair.y) == 0:
        return "no case in the group"
    if metric == "auroc":
        return auroc_influence(pair.y, pair.base), auroc_influence(pair.y, pair.candidate)
    if metric in {"brier", "net_benefit"} and not pair.probabilities:
        return "scores are not probabilities"
    if metric == "brier":
        return brier_influence(pair.y, pair.base), brier_influence(pair.y, pair.candidate)
    return _decision_influences(metric, pair)


def _decision_influences(metric: str, pair: Pair) -> _Two | str:
    decisions, thresholds = pair.decisions, (pair.base_threshold, pair.candidate_threshold)
    if decisions is None or thresholds[0] is None or thresholds[1] is None:
        return "no threshold is declared"
    if metric != "net_benefit":
        return rate_influence(metric, pair.y, decisions[0]), rate_influence(
            metric, pair.y, decisions[1]
        )
    if max(thresholds[0], thresholds[1]) >= 1:
        return "net benefit needs a threshold below 1"
    return (
        net_benefit_influence(pair.y, decisions[0], thresholds[0]),
        net_benefit_influence(pair.y, decisions[1], thresholds[1]),
    )


def patient_sums(phi: Floats, patients: npt.NDArray[np.int64] | None) -> Floats:
    """Sum influences within each patient; rows stay as they are where patients do not repeat."""
    if patients is None:
        return phi
    _, codes = np.unique(patients, return_inverse=True)
    return np.bincount(codes, weights=phi).astype(np.float64)


def clustered_variance(phi: Floats, patients: npt.NDArray[np.int64] | None) -> tuple[float, int]:
    """Return the variance of a sum of influences and the number of patients that moved it."""
    sums = patient_sums(phi, patients)
    active = int(np.count_nonzero(sums))
    return float(np.sum(sums**2)), active


def _rate_difference(metric: str, pair: Pair, delta: float, phi: Floats) -> PairedDifference:
    decisions = pair.decisions
    assert decisions is not None  # noqa: S101 - rates are only reached with thresholds
    denominator, base_in = rate_parts(metric, pair.y, decisions[0])
    _, candidate_in = rate_parts(metric, pair.y, decisions[1])
    change = candidate_in.astype(np.int64) - base_in.astype(np.int64)
    n = int(denominator.sum())
    gained, lost = int((change == 1).sum()), int((change == -1).sum())
    patients = None if pair.patients is None else pair.patients[denominator]
    within = change[denominator]
    deff, n_patients = _design_effect(within, patients)
    scale = 1.0 / deff
    low, high = tango_interval(gained * scale, lost * scale, n * scale)
    low_90, high_90 = tango_interval(gained * scale, lost * scale, n * scale, level=0.90)
    sums = within if patients is None else _integer_sums(within, patients)
    return PairedDifference(
        delta=Estimate(
            value=delta,
            low=low,
            high=high,
            n=n,
            n_patients=n_patients,
            deff=deff,
            method="tango" if deff == 1.0 else "tango on effective counts",
        ),
        low_90=low_90,
        high_90=high_90,
        p=sign_flip_p(sums),
        test="exact mcnemar" if deff == 1.0 else "exact sign flip by patient",
        influence=phi,
    )


def _integer_sums(
    change: npt.NDArray[np.int64], patients: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    _, codes = np.unique(patients, return_inverse=True)
    return np.rint(np.bincount(codes, weights=change)).astype(np.int64)


def _design_effect(
    change: npt.NDArray[np.int64], patients: npt.NDArray[np.int64] | None
) -> tuple[float, int | None]:
    """Return how much repeating patients inflate the variance of the difference (at least 1).

    Where nothing or nearly nothing is discordant the ratio cannot be estimated; the mean number
    of rows a patient has, weighted by rows, is its largest possible value and is used instead.
    """
    if patients is None:
        return 1.0, None
    _, codes, sizes = np.unique(patients, return_inverse=True, return_counts=True)
    n_patients = len(sizes)
    if n_patients == len(change):
        return 1.0, n_patients
    largest = float(np.sum(sizes.astype(np.float64) ** 2) / np.sum(sizes))
    centred = change - change.mean()
    independent = float(np.sum(centred**2))
    if independent == 0 or int(np.count_nonzero(change)) < 5:  # noqa: PLR2004 - as for Jeffreys
        return largest, n_patients
    clustered = float(np.sum(np.bincount(codes, weights=centred) ** 2))
    return float(min(max(clustered / independent, 1.0), largest)), n_patients


def _influence_difference(delta: float, phi: Floats, pair: Pair) -> PairedDifference:
    variance, active = clustered_variance(phi, pair.patients)
    n_patients = None if pair.patients is None else len(np.unique(pair.patients))
    method = "paired influence function" + ("" if pair.patients is None else " by patient")
    if variance == 0:
        same = bool(np.all(phi == 0))
        reason = "both versions agree on every case" if same else "no variation between cases"
        estimate = Estimate(
            value=delta, n=len(phi), n_patients=n_patients, method=method, reason=reason
        )
        return PairedDifference(
            delta=estimate,
            low_90=None,
            high_90=None,
            p=1.0 if same and delta == 0 else None,
            test=method,
            influence=phi,
        )
    se = math.sqrt(variance)
    critical = stats.t.ppf([0.95, 0.975], max(active - 1, 1))
    p = float(2 * stats.norm.sf(abs(delta) / se))
    return PairedDifference(
        delta=Estimate(
            value=delta,
            low=delta - float(critical[1]) * se,
            high=delta + float(critical[1]) * se,
            n=len(phi),
            n_patients=n_patients,
            method=method,
        ),
        low_90=delta - float(critical[0]) * se,
        high_90=delta + float(critical[0]) * se,
        p=p,
        test=method,
        influence=phi,
    )


def _undefined(reason: str, pair: Pair) -> PairedDifference:
    return PairedDifference(
        delta=Estimate.undefined(reason, n=len(pair.y)),
        low_90=None,
        high_90=None,
        p=None,
        test="",
        influence=None,
    )
