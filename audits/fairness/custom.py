"""Any callable of scikit-learn's kind as a further metric, through fairlearn's MetricFrame."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audits.errors import AuditError, PolicyError
from audits.fairness.audit import families_of
from audits.fairness.families import Family, everybody
from audits.fairness.frame import DETAILED_TASKS, Frame, build_frame
from audits.fairness.rates import predicted_positive
from audits.fairness.statistics.arms import rows_of_groups
from audits.fairness.types import FloatArray, IntArray, ScoredOutput
from audits.policy import Policy
from audits.types import Estimate

REPLICATES = 200
FEWEST_PATIENTS = 10
"""Below, a percentile bootstrap says next to nothing: of five it covers a quarter to two thirds."""
ENOUGH_PATIENTS = 100
"""Patients from which a percentile bootstrap keeps its coverage; below, the reason warns."""
_MOST_UNDEFINED = 0.1

Metric = Callable[[Any, Any], float]
Of = Literal["called", "score"]

KNOWN: Mapping[str, Of] = {
    **dict.fromkeys(
        (
            "balanced_accuracy_score",
            "cohen_kappa_score",
            "f1_score",
            "hamming_loss",
            "jaccard_score",
            "matthews_corrcoef",
            "zero_one_loss",
        ),
        "called",
    ),
    **dict.fromkeys(
        (
            "average_precision_score",
            "brier_score_loss",
            "d2_log_loss_score",
            "explained_variance_score",
            "log_loss",
            "max_error",
            "mean_absolute_percentage_error",
            "mean_squared_error",
            "median_absolute_error",
            "r2_score",
            "roc_auc_score",
            "root_mean_squared_error",
        ),
        "score",
    ),
}
"""Metrics of scikit-learn that a policy may name, and whether they take calls or scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMetric:
    """A further metric.

    Attributes:
        name: What it is called in the run.
        function: ``function(y_true, y_pred)``, as scikit-learn's metrics are called.
        of: Whether y_pred is the call at the threshold (0 or 1) or the score itself.
    """

    name: str
    function: Metric
    of: Of = "called"


def custom_metrics_of(
    given: Mapping[str, Metric | tuple[Metric, Of]] | None, named: Sequence[str] = ()
) -> tuple[CustomMetric, ...]:
    """Return the metrics of a caller, and those of scikit-learn that a policy names.

    Args:
        given: Name -> callable, or callable and ``called`` or ``score``.
        named: Names in the policy; nothing else is ever imported by name.

    Raises:
        AuditError: A metric cannot be called, or is fed something else than calls or scores.
        PolicyError: The policy names what is not on the list.
    """
    found = []
    for name, entry in (given or {}).items():
        function, of = entry if isinstance(entry, tuple) else (entry, "called")
        usable: object = function
        if not callable(usable) or of not in {"called", "score"}:
            raise AuditError(
                f"custom_metrics[{name!r}]: expected a callable, or one with 'called' or 'score', "
                f"found {type(function).__name__} and {of!r}; give function(y_true, y_pred)."
            )
        found.append(CustomMetric(name=name, function=function, of=of))
    for name in named:
        if name not in KNOWN:
            raise PolicyError(
                f"audit.custom_metrics names {name!r}, which is not on the list of metrics that "
                f"Auscult imports by name; choose from {', '.join(sorted(KNOWN))}, or hand the "
                "callable to audit_predictions."
            )
        found.append(CustomMetric(name=name, function=_of_sklearn(name), of=KNOWN[name]))
    return tuple(found)


def _of_sklearn(name: str) -> Metric:
    import sklearn.metrics

    function: Metric = getattr(sklearn.metrics, name)
    return function


def custom_section(
    output: ScoredOutput, metrics: Sequence[CustomMetric], policy: Policy, *, seed: int
) -> dict[str, Any]:
    """Return custom metrics for everybody and every group, with patient-bootstrap intervals.

    Exploratory: no verdict, and whether a higher value is better is not known. Weights are not
    used. A metric that fails or is not finite in a group is null there, with the kind of failure.

    Args:
        output: Labels, scores and groups.
        metrics: What is asked for.
        policy: Names the groups.
        seed: Seed of the resamples.
    """
    if output.task in DETAILED_TASKS:
        reason = f"a metric of labels and predictions does not fit a {output.task} output"
        return {"state": "not_available", "reason": reason}
    frame = build_frame(output)
    families, _ = families_of(frame, output, policy)
    whole = everybody(frame)
    out = []
    for metric in metrics:
        made = _Made(frame, metric, output.threshold, seed)
        out.append(
            {
                "name": metric.name,
                "of": made.of,
                "overall": made.estimates(whole)[0].to_dict(),
                "groups": [
                    {"attributes": dict(label), "estimate": estimate.to_dict()}
                    for family in families
                    for label, estimate in zip(family.labels, made.estimates(family), strict=True)
                ],
            }
        )
    return {"state": "computed", "replicates": REPLICATES, "metrics": out}


class _Made:
    """One custom metric on one output."""

    def __init__(
        self, frame: Frame, metric: CustomMetric, threshold: float | None, seed: int
    ) -> None:
        self.frame, self.metric = frame, metric
        self.of: Of = "score" if frame.regression else metric.of
        self.missing = self.of == "called" and threshold is None
        called = predicted_positive(frame, threshold).astype(np.int64)
        self.given = called if self.of == "called" else frame.score
        self.true = frame.y if frame.regression else frame.positive.astype(np.int64)
        self.seed = [seed, zlib.crc32(metric.name.encode())]
        self.failure: str | None = None

    def value(self, true: Any, given: Any) -> float:
        """Return the metric, NaN where it fails or is not finite."""
        with warnings.catch_warnings():
            # What scikit-learn warns of (no positive case, one class) is undefined here.
            warnings.simplefilter("error")
            try:
                found = float(self.metric.function(true, given))
            except Exception as error:  # noqa: BLE001 - a caller's function may raise anything
                self.failure = type(error).__name__
                return float("nan")
        return found if np.isfinite(found) else float("nan")

    def estimates(self, family: Family) -> list[Estimate]:
        """Return the metric in every group, by MetricFrame, with its interval."""
        from fairlearn.metrics import MetricFrame

        groups = rows_of_groups(family)
        if self.missing:
            reason = "no threshold is declared, so nobody is called positive or negative"
            return [Estimate.undefined(reason, n=len(rows)) for rows in groups]
        inside = np.concatenate(groups)
        values: Mapping[int, float] = {}
        if len(inside):
            values = MetricFrame(
                metrics=self.value,
                y_true=self.true[inside],
                y_pred=self.given[inside],
                sensitive_features=family.code[inside],
            ).by_group.to_dict()
        return [
            self._estimate(float(values.get(index, np.nan)), rows)
            for index, rows in enumerate(groups)
        ]

    def _estimate(self, value: float, rows: IntArray) -> Estimate:
        who = self.frame.patient[rows]
        patients = len(np.unique(who))
        named = patients if self.frame.named_patients else None
        method = f"patient bootstrap, {REPLICATES} replicates"
        if not np.isfinite(value):
            why = "no cases" if not len(rows) else "undefined in this group"
            if self.failure and len(rows):
                why = f"undefined in this group ({self.failure})"
            return Estimate.undefined(why, n=len(rows), n_patients=named, method=method)
        draws = self._draws(rows, who) if patients >= FEWEST_PATIENTS else None
        low, high, reason = _limits(draws, patients)
        return Estimate(
            value=value,
            low=low,
            high=high,
            n=len(rows),
            n_patients=named,
            method=method,
            reason=reason,
        )

    def _draws(self, rows: IntArray, who: IntArray) -> FloatArray:
        rng = np.random.default_rng(self.seed)
        order = np.argsort(who, kind="stable")
        starts = np.flatnonzero(np.diff(who[order], prepend=-1))
        parts = np.split(rows[order], starts[1:])
        singles = len(parts) == len(rows)
        out = np.empty(REPLICATES)
        for at in range(REPLICATES):
            drawn = rng.integers(0, len(parts), len(parts))
            taken = rows[drawn] if singles else np.concatenate([parts[d] for d in drawn.tolist()])
            out[at] = self.value(self.true[taken], self.given[taken])
        return out


def _limits(
    draws: FloatArray | None, patients: int
) -> tuple[float | None, float | None, str | None]:
    """Return percentile limits, or why there are none."""
    if draws is None:
        return None, None, f"no interval: {patients} patients, {FEWEST_PATIENTS} needed"
    known = draws[np.isfinite(draws)]
    lost = 1 - len(known) / len(draws)
    if lost > _MOST_UNDEFINED:
        return None, None, f"no interval: undefined in {lost:.0%} of the resamples"
    low, high = (float(limit) for limit in np.quantile(known, [0.025, 0.975]))
    if not low < high:
        return None, None, "no interval: every resample gives the same value"
    if patients < ENOUGH_PATIENTS:
        return low, high, f"insufficient: a bootstrap of {patients} patients is too narrow"
    return low, high, None
