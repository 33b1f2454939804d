"""What a policy file may say, and the frozen policy that an audit runs under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from audits.types import Finding

RATE_METRICS = (
    "tpr",
    "fpr",
    "tnr",
    "fnr",
    "ppv",
    "npv",
    "accuracy",
    "selection_rate",
    "prevalence",
)
SHARE_METRICS = ("auroc", "c_uno", "auc_t", "kappa_w", "dice", "froc")
RATIO_METRICS = ("oe_ratio", "oe_t")
UNIT_METRICS = ("mae", "bias", "brier_t", "hd95")
"""Metrics without a customary margin: theirs is in the outcome's unit, or depends on it."""
VERDICT_METRICS = (*RATE_METRICS, *SHARE_METRICS, *RATIO_METRICS, *UNIT_METRICS)
"""Metrics on which a group can be compared with a margin; AUPRC is none of them on purpose."""

LOWER_IS_BETTER = frozenset({"fpr", "fnr", "brier", "brier_t", "ece_debiased", "mae", "hd95"})

Share = Annotated[float, Field(gt=0, lt=1)]
OnInconclusive = Literal["fail", "warn", "pass"]
RuleKind = Literal["level", "change", "noninferiority", "verdict"]
Release = Literal["internal", "restricted"]
TaskName = Literal["survival", "ordinal", "segmentation", "detection"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuditSection(_Strict):
    """``[audit]``: what is tested, at which level and from how many cases."""

    alpha: Share = 0.05
    groups: tuple[str, ...] | None = None
    intersections: tuple[tuple[str, ...], ...] | None = None
    required_groups: tuple[str, ...] = ()
    verdict_metrics: tuple[str, ...] = ("tpr", "fpr", "auroc", "oe_ratio")
    min_effective_n: float = Field(default=10, ge=1)
    min_effective_per_class: float = Field(default=30, ge=2)
    reference: dict[str, str] = Field(default_factory=dict)
    task_metrics: dict[TaskName, tuple[str, ...]] = Field(default_factory=dict)
    custom_metrics: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> AuditSection:
        if "auprc" in self.verdict_metrics:
            raise ValueError(
                "auprc gets no verdict between groups, because it favours groups of higher "
                "prevalence (McDermott et al. 2024); use auroc, tpr or net benefit instead"
            )
        by_task = [metric for metrics in self.task_metrics.values() for metric in metrics]
        for metric in (*self.verdict_metrics, *by_task):
            if metric not in VERDICT_METRICS:
                raise ValueError(
                    f"{metric!r} is no verdict metric; choose from {', '.join(VERDICT_METRICS)}"
                )
        for names in self.intersections or ():
            if len(set(names)) < 2:  # noqa: PLR2004 - an intersection joins two attributes
                raise ValueError(f"the intersection {list(names)} needs two different attributes")
        return self


class SuppressionSection(_Strict):
    """``[suppression]``: what exports may show."""

    release: Release = "internal"
    cell: int = Field(default=10, ge=1, le=1000)


UNDIRECTED_METRICS = frozenset(
    {"selection_rate", "prevalence", "bias", "calibration_slope", *RATIO_METRICS}
)
"""Metrics of which neither more nor less is better."""


_OF_GROUPS = ("equivalent", "better", "not_worse", "disparity")
WANTED: Mapping[str, tuple[str, ...]] = {
    "shortcut": ("not_used", "used"),
    "explanation": ("reflects", "weak", "fails", "not_checked"),
    "explanation_drift": ("within_noise", "beyond_noise"),
}
"""Verdicts that a rule may ask for, by metric; of all others those on groups and versions."""

SHARES = frozenset({*RATE_METRICS, *SHARE_METRICS, "auprc", "brier", "brier_t", "ece_debiased"})
"""Metrics whose level lies between 0 and 1."""


class GateRule(_Strict):
    """One ``[[gate.rule]]``: a condition that a release must meet.

    Attributes:
        metric: A METRIC of the contract, or ``shortcut``, ``explanation`` or ``explanation_drift``.
        scope: ``overall``, ``every group`` or a mapping such as ``{"sex": "F"}``.
        kind: level, change, noninferiority or verdict.
        limit: A number, or for ``verdict`` the verdict that is wanted.
        on_inconclusive: What an inconclusive rule does to the gate.
        output: The output the rule is about, or None for all.
    """

    metric: str
    scope: Literal["overall", "every group"] | dict[str, str] = "every group"
    kind: RuleKind
    limit: float | str | None = None
    on_inconclusive: OnInconclusive = "fail"
    output: str | None = None

    @model_validator(mode="after")
    def _check_direction(self) -> GateRule:
        if self.kind in {"change", "noninferiority"} and self.metric in UNDIRECTED_METRICS:
            raise ValueError(
                f'{self.metric} has no better side, so a rule of kind "{self.kind}" cannot judge '
                'it; use kind = "verdict" with limit = "not_worse" where it gets a verdict'
            )
        return self

    @model_validator(mode="after")
    def _check_limit(self) -> GateRule:
        if self.kind == "verdict":
            wanted = WANTED.get(self.metric, _OF_GROUPS)
            if self.limit not in wanted:
                found = "none" if self.limit is None else repr(self.limit)
                raise ValueError(
                    f'a rule of kind "verdict" on {self.metric} needs as limit one of '
                    f"{', '.join(wanted)}, found {found}"
                )
        elif isinstance(self.limit, str) or self.limit is None:
            raise ValueError(f'a rule of kind "{self.kind}" needs a number as limit')
        elif self.kind == "noninferiority" and self.limit < 0:
            raise ValueError(
                f'a rule of kind "noninferiority" needs the margin that may be lost, 0 or more, '
                f'found {self.limit:g}; a rule of kind "change" may demand a gain'
            )
        elif self.kind == "level" and self.metric in SHARES and not 0 <= self.limit <= 1:
            raise ValueError(
                f"{self.metric} lies between 0 and 1, so its limit cannot be {self.limit:g}"
            )
        return self


class GateSection(_Strict):
    """``[gate]``: the rules, in order."""

    rule: tuple[GateRule, ...] = ()


class CausesSection(_Strict):
    """``[causes]``: what the causes panel compares with, and which columns slices may use.

    Attributes:
        population: Group to level to share of the target population; shares of a group sum to 1.
        second_label: Output to a column that measures need in another way.
        slice_columns: Columns of a table of scores that slices may be made of.
    """

    population: dict[str, dict[str, Annotated[float, Field(ge=0, le=1)]]] = Field(
        default_factory=dict
    )
    second_label: dict[str, str] = Field(default_factory=dict)
    slice_columns: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_shares(self) -> CausesSection:
        for name, shares in self.population.items():
            total = sum(shares.values())
            if abs(total - 1) > 0.01:  # noqa: PLR2004 - published shares are rounded
                raise ValueError(f"the shares of population.{name} sum to {total:g}, not to 1")
        return self


class DeploymentSection(_Strict):
    """``[deployment]``: what is known of the place of use.

    Attributes:
        prevalence: Output to the share of cases that have the condition there.
    """

    prevalence: dict[str, Share] = Field(default_factory=dict)


class ComparisonSection(_Strict):
    """``[comparison]``: what a comparison of two versions counts beside the metrics.

    Attributes:
        risk_bands: Edges of the risk bands between which moves are counted, ascending; empty for
            none.
    """

    risk_bands: tuple[Share, ...] = ()

    @model_validator(mode="after")
    def _check_edges(self) -> ComparisonSection:
        if any(low >= high for low, high in pairwise(self.risk_bands)):
            raise ValueError(f"risk_bands {list(self.risk_bands)} must ascend")
        return self


class ShortcutsSection(_Strict):
    """``[shortcuts]``: what the shortcut audit of images judges against.

    Attributes:
        margin_logits: Largest effect of a suspect that does not matter, in units of the explained
            score: log-odds where it is a probability.
    """

    margin_logits: float = Field(default=0.25, gt=0, allow_inf_nan=False)


class ReportSection(_Strict):
    """``[report]``: which laws and guidelines the run answers.

    Attributes:
        profile: Ids of profiles, such as ``hti1``; none for all.
    """

    profile: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_known(self) -> ReportSection:
        if not self.profile:
            return self
        # Reports read policies, too: imported where a profile is named.
        from audits.reporting.requirements.catalogue import NAMES

        for name in self.profile:
            if name not in NAMES:
                raise ValueError(f"{name!r} is no profile; choose from {', '.join(NAMES)}")
        return self


class PolicyFile(_Strict):
    """The whole file, as written."""

    audit: AuditSection = AuditSection()
    margin: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    thresholds: dict[str, float] = Field(default_factory=dict)
    horizons: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    suppression: SuppressionSection = SuppressionSection()
    causes: CausesSection = CausesSection()
    comparison: ComparisonSection = ComparisonSection()
    deployment: DeploymentSection = DeploymentSection()
    shortcuts: ShortcutsSection = ShortcutsSection()
    report: ReportSection = ReportSection()
    gate: GateSection = GateSection()

    @model_validator(mode="after")
    def _check_margins(self) -> PolicyFile:
        for metric, margin in self.margin.items():
            if metric not in VERDICT_METRICS:
                raise ValueError(
                    f"margin.{metric} is for no verdict metric; "
                    f"choose from {', '.join(VERDICT_METRICS)}"
                )
            if metric in RATIO_METRICS and margin <= 1:
                raise ValueError(f"margin.{metric} is a ratio above 1, found {margin:g}")
            if metric in (*RATE_METRICS, *SHARE_METRICS) and margin >= 1:
                raise ValueError(f"margin.{metric} must lie between 0 and 1, found {margin:g}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The declaration an audit runs under; fixed and hashed before any result is computed.

    Attributes:
        by: ``default policy``, a file's name, or ``policy given as data``.
        sha256: Hash of what was declared (the file's bytes, or canonical JSON of data).
        groups: Declared attributes, in order.
        intersections: Declared crossings, each in the policy's order.
        reference: Attribute to ``rest`` or one of its levels.
        margins: Verdict metric to margin; ``oe_ratio`` is a ratio.
        reasons: Dotted path to the reason of that number.
        thresholds: Output name to a threshold that the policy sets.
        horizons: Survival output to the time that it is judged at.
        task_metrics: Task to its verdict metrics, used where no metric of ``verdict_metrics`` fits.
        custom_metrics: Names of metrics of scikit-learn that are shown besides, without verdict.
        gate: Rules of the release gate, in order.
        causes: Target population, second labels and columns for slices.
        comparison: Risk bands of a comparison of versions.
        deployment: Prevalence at the place of use, by output.
        shortcuts: Margin of the shortcut audit.
        profiles: Laws and guidelines that the run answers; none for all.
        findings: What a reader of the policy must know, such as a margin without reason.
        file: Where the policy lay, absolute; None where it was no file. It stays on site.
    """

    by: str
    sha256: str
    alpha: float
    groups: tuple[str, ...]
    intersections: tuple[tuple[str, ...], ...]
    required_groups: tuple[str, ...]
    verdict_metrics: tuple[str, ...]
    min_effective_n: float
    min_effective_per_class: float
    reference: Mapping[str, str]
    margins: Mapping[str, float]
    reasons: Mapping[str, str]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    horizons: Mapping[str, float] = field(default_factory=dict)
    task_metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    custom_metrics: tuple[str, ...] = ()
    release: Release = "internal"
    cell: int = 10
    gate: tuple[GateRule, ...] = ()
    causes: CausesSection = field(default_factory=CausesSection)
    comparison: ComparisonSection = field(default_factory=ComparisonSection)
    deployment: DeploymentSection = field(default_factory=DeploymentSection)
    shortcuts: ShortcutsSection = field(default_factory=ShortcutsSection)
    profiles: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    file: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the effective policy as plain data, in the sections of the file."""
        return {
            "by": self.by,
            "sha256": self.sha256,
            "audit": {
                "alpha": self.alpha,
                "groups": list(self.groups),
                "intersections": [list(names) for names in self.intersections],
                "required_groups": list(self.required_groups),
                "verdict_metrics": list(self.verdict_metrics),
                "min_effective_n": self.min_effective_n,
                "min_effective_per_class": self.min_effective_per_class,
                "reference": dict(self.reference),
                "task_metrics": {task: list(names) for task, names in self.task_metrics.items()},
                "custom_metrics": list(self.custom_metrics),
            },
            "margin": dict(self.margins),
            "thresholds": dict(self.thresholds),
            "horizons": dict(self.horizons),
            "reasons": dict(self.reasons),
            "suppression": {"release": self.release, "cell": self.cell},
            "causes": self.causes.model_dump(mode="json"),
            "comparison": self.comparison.model_dump(mode="json"),
            "deployment": self.deployment.model_dump(mode="json"),
            "shortcuts": self.shortcuts.model_dump(mode="json"),
            "report": {"profile": list(self.profiles)},
            "gate": {"rule": [rule.model_dump(mode="json") for rule in self.gate]},
            "findings": [finding.to_dict() for finding in self.findings],
        }
