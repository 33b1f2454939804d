"""What goes into a subgroup audit and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from audits.types import Estimate, Finding

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Verdict = Literal["disparity", "equivalent", "inconclusive", "not_evaluable"]
Strength = Literal["confirmed", "indicated"]
Worse = Literal["group", "reference", "none"]
Tier = Literal["marginal", "intersection"]


class Details(Protocol):
    """What a task knows of each row beside its label and its score."""

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Return the rows that it can measure, (n,)."""
        ...

    def take(self, keep: npt.NDArray[np.bool_], /) -> Details:
        """Return the same of some rows."""
        ...


class Grouping(Protocol):
    """The part of a cohort's attribute that the statistics need.

    ``codes`` holds, per row, the index into ``levels``; -1 leaves the row out.
    """

    @property
    def name(self) -> str:
        """Return the attribute's name."""
        ...

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the levels in declared order."""
        ...

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """Return the level of each row."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskSample:
    """Predicted risks with what turned out, of cases that "x in 100" is counted in.

    Attributes:
        split: Name of the held-out split, or None for the audited cases themselves.
        risk: Predicted probabilities, shape (n,).
        label: 1 or 0, -1 missing, shape (n,).
        patients: Patient code per row, or None where rows are independent.
    """

    split: str | None
    risk: FloatArray
    label: npt.NDArray[Any]
    patients: npt.NDArray[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredOutput:
    """One output of one model on one cohort: labels, scores and who the rows belong to.

    Attributes:
        name: Output's name, which is also the label's.
        model: ``id@version``, or None for predictions that nobody hands a model over for.
        label_column: Column the label was read from.
        positive: Value of that column that counts as positive.
        task: Task of the model; ``regression`` and ``ordinal`` are numbers, others one value
            against the rest.
        space: ``probability`` and ``logit`` scores are probabilities where all lie in [0, 1];
            any other score is only ranked.
        y: Label per row, 0 or 1 (-1 is missing); the outcome itself for numbers.
        score: Score per row, float64; the prediction itself for numbers.
        threshold: Predicted positive means score >= threshold, or None where there is none.
        threshold_source: model, policy or command.
        threshold_chosen_on: Hash of the data the threshold was chosen on, or None.
        patients: Patient code per row, or None where rows are independent.
        attributes: Groupings whose codes are aligned to these rows.
        scope: same_source_test, external or local.
        compared: Attributes that are compared on their own; None for those that no crossing names.
        weights: Weight of each row, such as that of a survey, or None.
        crossings: Crossings that were asked for; those that the policy does not declare are
            exploratory.
        details: What a survival, segmentation or detection task knows of each row.
        elsewhere: Risks of a split that was neither trained on nor audited, where there is one.
    """

    name: str
    y: npt.NDArray[Any]
    score: FloatArray
    model: str | None = None
    label_column: str = ""
    positive: Any = 1
    task: str = "binary"
    space: str = "probability"
    threshold: float | None = None
    threshold_source: str = "model"
    threshold_chosen_on: str | None = None
    patients: npt.NDArray[Any] | None = None
    attributes: tuple[Grouping, ...] = ()
    scope: str = "local"
    weights: FloatArray | None = None
    compared: tuple[str, ...] | None = None
    crossings: tuple[tuple[str, ...], ...] = ()
    details: Details | None = None
    elsewhere: RiskSample | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """Every metric of one group; ``attributes`` is empty for the whole cohort.

    ``positives`` is None where the label is a number, a grade or a region.
    """

    attributes: Mapping[str, str]
    n: int
    patients: int | None
    positives: int | None
    metrics: Mapping[str, Estimate]
    declared: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``groups`` in the contract."""
        return {
            "attributes": dict(self.attributes),
            "n": self.n,
            "patients": self.patients,
            "positives": self.positives,
            "suppressed": False,
            "declared": self.declared,
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One group against its reference on one metric, with the verdict where one is due.

    The fields are those of ``comparisons`` in the contract.
    """

    metric: str
    tier: Tier
    attribute: str
    group: Mapping[str, str]
    reference: str
    group_k: int | None
    group_n: int | None
    ref_k: int | None
    ref_n: int | None
    difference: Estimate
    ratio: Estimate | None
    difference_90: tuple[float | None, float | None]
    worse: Worse
    margin: float | None
    test: str
    p: float | None
    q: float | None
    p_margin: float | None
    q_margin: float | None
    p_equivalence: float | None
    verdict: Verdict | None
    strength: Strength | None
    reason: str | None
    carried_by: tuple[Mapping[str, str], ...]
    beyond_marginals: Estimate | None
    mde: float | None
    n_needed: Mapping[str, Any] | None
    declared: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``comparisons`` in the contract."""
        beyond = self.beyond_marginals
        return {
            "metric": self.metric,
            "tier": self.tier,
            "attribute": self.attribute,
            "group": dict(self.group),
            "reference": self.reference,
            "group_k": self.group_k,
            "group_n": self.group_n,
            "ref_k": self.ref_k,
            "ref_n": self.ref_n,
            "difference": self.difference.to_dict(),
            "ratio": None if self.ratio is None else self.ratio.to_dict(),
            "difference_90": list(self.difference_90),
            "worse": self.worse,
            "margin": self.margin,
            "test": self.test,
            "p": self.p,
            "q": self.q,
            "p_margin": self.p_margin,
            "q_margin": self.q_margin,
            "p_equivalence": self.p_equivalence,
            "verdict": self.verdict,
            "strength": self.strength,
            "reason": self.reason,
            "carried_by": [dict(group) for group in self.carried_by],
            "beyond_marginals": None if beyond is None else beyond.to_dict(),
            "mde": self.mde,
            "n_needed": None if self.n_needed is None else dict(self.n_needed),
            "declared": self.declared,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Heterogeneity:
    """How much a metric truly varies between the groups of one attribute; descriptive only."""

    metric: str
    attribute: str
    statistic: float | None
    df: int | None
    p: float | None
    tau2: Estimate
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``heterogeneity`` in the contract."""
        return {
            "metric": self.metric,
            "attribute": self.attribute,
            "statistic": self.statistic,
            "df": self.df,
            "p": self.p,
            "tau2": self.tau2.to_dict(),
            "method": self.method,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputResult:
    """The audit of one output."""

    model: str | None
    name: str
    label_column: str
    positive: Any
    scope: str
    task: str
    threshold: float | None
    threshold_source: str
    threshold_chosen_on: str | None
    overall: GroupResult
    groups: tuple[GroupResult, ...]
    comparisons: tuple[Comparison, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    not_available: tuple[Mapping[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``outputs`` in the contract."""
        return {
            "model": self.model,
            "name": self.name,
            "label": {"column": self.label_column, "positive": self.positive},
            "scope": self.scope,
            "task": self.task,
            "threshold": {
                "value": self.threshold,
                "source": self.threshold_source,
                "chosen_on": self.threshold_chosen_on,
            },
            "overall": self.overall.to_dict(),
            "groups": [group.to_dict() for group in self.groups],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "heterogeneity": [entry.to_dict() for entry in self.heterogeneity],
            "not_available": [dict(entry) for entry in self.not_available],
            "findings": [finding.to_dict() for finding in self.findings],
            **self.extras,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessResult:
    """The audit of every output of a run, under one confirmatory set."""

    outputs: tuple[OutputResult, ...]
    tests: int
    rejections: int
    alpha: float

    def to_dict(self) -> list[dict[str, Any]]:
        """Return ``outputs`` of the contract."""
        return [output.to_dict() for output in self.outputs]
