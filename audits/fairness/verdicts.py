"""From p-values to verdicts, over the one confirmatory set of a run (section 2 of the reference).

q comes from one Benjamini-Hochberg over every declared, evaluable comparison of every output;
q_margin from its own. What is not declared keeps its estimate, interval and raw p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audits.fairness.contrasts import Contrast
from audits.fairness.families import Family
from audits.fairness.interactions import departure
from audits.fairness.power import adjusted_alpha, further_cases, minimum_detectable
from audits.fairness.significance import benjamini_hochberg
from audits.fairness.types import Comparison, FloatArray, Strength, Verdict, Worse
from audits.policy import Policy
from audits.types import Estimate

HIGHER_IS_BETTER = frozenset(
    [
        *("tpr", "tnr", "ppv", "npv", "accuracy", "auroc"),
        *("c_uno", "auc_t", "kappa_w", "dice", "froc"),
    ]
)
LOWER_IS_BETTER = frozenset({"fpr", "fnr", "mae", "brier", "brier_t", "hd95"})
RATIO_METRICS = frozenset({"oe_ratio", "oe_t"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A comparison before the run's multiplicity is known.

    Attributes:
        output: Index of the output.
        metric: What is compared.
        family: Groups it belongs to.
        index: The group within them.
        reference: ``rest`` or a level.
        contrast: Numbers of the whole family.
        counts: Raw k and n of the group and of the reference; None for non-proportions.
        rows: Rows behind the difference.
        patients: Patients behind the group, or None.
        everyone: Patients behind the difference, or None.
        scale: Estimates and variances on the scale on which effects add up, for all groups.
        method: Name of the interval.
        crossed: Whether a declared intersection splits the group further.
        exploratory: Whether the policy declares no verdict on this metric.
    """

    output: int
    metric: str
    family: Family
    index: int
    reference: str
    contrast: Contrast
    counts: tuple[int, int, int, int] | None
    rows: int
    patients: float | None
    everyone: int | None
    scale: tuple[FloatArray, FloatArray]
    method: str
    crossed: bool
    exploratory: bool = False

    @property
    def declared(self) -> bool:
        """Return whether the policy names the group and the metric."""
        return self.family.declared and not self.exploratory

    @property
    def p(self) -> float:
        """Return the raw p-value."""
        return float(self.contrast.p[self.index])

    @property
    def tested(self) -> bool:
        """Return whether it belongs to the confirmatory set."""
        return self.declared and self.contrast.short[self.index] is None and math.isfinite(self.p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Comparisons of all outputs, in the order of the drafts, and the size of the set."""

    comparisons: tuple[Comparison, ...]
    tests: int
    rejections: int


def judge(drafts: Sequence[Draft], policy: Policy) -> Judged:
    """Give every declared comparison its q-values and its verdict."""
    tested = [index for index, draft in enumerate(drafts) if draft.tested]
    q, q_margin = np.full(len(drafts), np.nan), np.full(len(drafts), np.nan)
    q[tested] = benjamini_hochberg(np.asarray([drafts[i].p for i in tested]))
    margins = [float(drafts[i].contrast.p_margin[drafts[i].index]) for i in tested]
    q_margin[tested] = benjamini_hochberg(np.asarray(margins))
    rejections = int((q[tested] <= policy.alpha).sum())
    alpha = adjusted_alpha(policy.alpha, rejections, len(tested))
    verdicts = [
        _verdict(draft, float(q[i]), policy.alpha) if draft.declared else None
        for i, draft in enumerate(drafts)
    ]
    signs = _marginal_disparities(drafts, verdicts)
    comparisons = tuple(
        _finish(
            draft,
            verdict,
            q=_finite(q[i]),
            q_margin=_finite(q_margin[i]),
            alpha=alpha,
            level=policy.alpha,
            signs=signs,
        )
        for i, (draft, verdict) in enumerate(zip(drafts, verdicts, strict=True))
    )
    return Judged(comparisons=comparisons, tests=len(tested), rejections=rejections)


def _verdict(draft: Draft, q: float, alpha: float) -> Verdict:
    contrast, i = draft.contrast, draft.index
    if not draft.tested:
        return "not_evaluable"
    margin, gap = contrast.margin, float(contrast.gap[i])
    if q <= alpha and abs(gap) > margin:
        return "disparity"
    if _inside(draft):
        return "equivalent"
    return "inconclusive"


def _inside(draft: Draft) -> bool:
    """Say whether the 90 % interval lies inside the margin."""
    contrast, i = draft.contrast, draft.index
    low, high, margin = float(contrast.low90[i]), float(contrast.high90[i]), contrast.margin
    if draft.metric in RATIO_METRICS:
        if not low > 0:
            return False
        low, high = math.log(low), math.log(high)
    return -margin < low and high < margin


_Signs = dict[tuple[int, str, str, str], int]


def _marginal_disparities(drafts: Sequence[Draft], verdicts: Sequence[Verdict | None]) -> _Signs:
    """Return the direction of every marginal level found disparate, by output and metric."""
    signs: _Signs = {}
    for draft, verdict in zip(drafts, verdicts, strict=True):
        if verdict != "disparity" or draft.family.tier != "marginal":
            continue
        (name,) = draft.family.names
        sign = 1 if draft.contrast.gap[draft.index] > 0 else -1
        signs[draft.output, draft.metric, name, draft.family.labels[draft.index][name]] = sign
        occupied = draft.family.occupied
        if draft.reference == "rest" and len(occupied) == 2:  # noqa: PLR2004 - tested once
            other = int(occupied[occupied != draft.index][0])
            signs[draft.output, draft.metric, name, draft.family.labels[other][name]] = -sign
    return signs


def _finish(  # noqa: PLR0913 - what the run knows beyond the draft
    draft: Draft,
    verdict: Verdict | None,
    *,
    q: float | None,
    q_margin: float | None,
    alpha: float,
    level: float,
    signs: _Signs,
) -> Comparison:
    contrast, i = draft.contrast, draft.index
    strength: Strength | None = None
    if verdict == "disparity":
        strength = "confirmed" if q_margin is not None and q_margin <= level else "indicated"
    group = draft.family.labels[i]
    disparate_cell = verdict == "disparity" and draft.family.tier == "intersection"
    counts = draft.counts or (None, None, None, None)
    unit = (float(contrast.unit_first[i]), float(contrast.unit_second[i]))
    size = (float(contrast.size_first[i]), float(contrast.size_second[i]))
    usable = all(math.isfinite(value) for value in (*unit, *size)) and draft.declared
    return Comparison(
        metric=draft.metric,
        tier=draft.family.tier,
        attribute=draft.family.name,
        group=group,
        reference=draft.reference,
        group_k=counts[0],
        group_n=counts[1],
        ref_k=counts[2],
        ref_n=counts[3],
        difference=_difference(draft),
        ratio=_ratio(draft),
        difference_90=_limits(contrast.low90[i], contrast.high90[i]),
        worse=_worse(draft),
        margin=_printed_margin(draft),
        test=contrast.test,
        p=_finite(contrast.p[i]),
        q=q,
        p_margin=_finite(contrast.p_margin[i]),
        q_margin=q_margin,
        p_equivalence=_finite(contrast.p_equivalence[i]),
        verdict=verdict,
        strength=strength,
        reason=_reason(draft, verdict, q, level),
        carried_by=_carried_by(draft, signs) if disparate_cell else (),
        beyond_marginals=departure(draft.family.cells, *draft.scale, i) if disparate_cell else None,
        mde=_mde(draft, unit, size, alpha) if usable else None,
        n_needed=_needed(draft, unit, size, alpha) if usable else None,
        declared=draft.declared,
    )


def _difference(draft: Draft) -> Estimate:
    contrast, i = draft.contrast, draft.index
    value = _finite(contrast.difference[i])
    if value is None:
        return Estimate.undefined(
            "undefined in the group or in the reference",
            n=draft.rows,
            n_patients=draft.everyone,
            method=draft.method,
        )
    low, high = _limits(contrast.low[i], contrast.high[i])
    flat = bool(contrast.low[i] == contrast.high[i])
    why = "the cases do not vary" if flat else "too few cases"
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=draft.rows,
        n_patients=draft.everyone,
        deff=_finite(contrast.deff[i]),
        method=draft.method,
        reason=None if low is not None and high is not None else f"no interval: {why}",
    )


def _limits(low: float, high: float) -> tuple[float | None, float | None]:
    """Return the limits of an interval; one without width is none."""
    if low == high:
        return None, None
    return _finite(low), _finite(high)


def _ratio(draft: Draft) -> Estimate | None:
    """Return the ratio of two rates; None for other metrics."""
    if draft.contrast.ratio is None:
        return None
    value, low, high = (_finite(item) for item in draft.contrast.ratio[:, draft.index])
    if value is None:
        nothing = not draft.contrast.first[draft.index] > 0
        why = "nothing over nothing" if nothing else "the reference's rate is 0"
        return Estimate.undefined(f"undefined: {why}", n=draft.rows, method="katz")
    varies = low is not None and high is not None and low < high
    return Estimate(
        value=value,
        low=low if varies else None,
        high=high if varies else None,
        n=draft.rows,
        method="katz",
        reason=None if varies else "no interval: both rates are 1",
    )


def _worse(draft: Draft) -> Worse:
    first, second = draft.contrast.first[draft.index], draft.contrast.second[draft.index]
    if draft.metric in RATIO_METRICS:
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = -abs(np.log(first)), -abs(np.log(second))
    elif draft.metric in LOWER_IS_BETTER:
        first, second = -first, -second
    elif draft.metric not in HIGHER_IS_BETTER:
        return "none"
    if not math.isfinite(first) or not math.isfinite(second) or first == second:
        return "none"
    return "group" if first < second else "reference"


def _printed_margin(draft: Draft) -> float:
    margin = draft.contrast.margin
    return math.exp(margin) if draft.metric in RATIO_METRICS else margin


def _reason(draft: Draft, verdict: Verdict | None, q: float | None, alpha: float) -> str | None:
    if verdict is None:
        return "exploratory: not declared, so no verdict"
    if verdict == "not_evaluable":
        return draft.contrast.short[draft.index] or "undefined in the group or in the reference"
    differs = q is not None and q <= alpha
    if verdict == "inconclusive":
        return "differs, size unsettled" if differs else "too few"
    if verdict == "equivalent":
        parts = ["differs, within margin"] if differs else []
        if draft.crossed:
            parts.append("on average over its intersections")
        return "; ".join(parts) or None
    return None


def _carried_by(draft: Draft, signs: _Signs) -> tuple[dict[str, str], ...]:
    sign = 1 if draft.contrast.gap[draft.index] > 0 else -1
    return tuple(
        {name: level}
        for name, level in draft.family.labels[draft.index].items()
        if signs.get((draft.output, draft.metric, name, level)) == sign
    )


def _mde(
    draft: Draft, unit: tuple[float, float], size: tuple[float, float], alpha: float
) -> float | None:
    gap = minimum_detectable(unit, size, alpha)
    if gap is None or draft.metric not in RATIO_METRICS:
        return gap
    return _finite(math.exp(min(gap, 700.0)))


def _needed(
    draft: Draft, unit: tuple[float, float], size: tuple[float, float], alpha: float
) -> dict[str, object]:
    cases = draft.counts[1] if draft.counts else size[0]
    per_case = None if draft.patients is None or not cases else draft.patients / cases
    return further_cases(
        unit,
        size,
        draft.contrast.margin,
        alpha,
        deff=float(draft.contrast.deff[draft.index]),
        patients_per_case=per_case,
    )


def _finite(value: float | np.floating[np.typing.NBitBase]) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
