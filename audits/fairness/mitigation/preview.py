"""What group-wise thresholds or recalibration would change: a preview, never applied.

Rules are fitted on half of the patients and judged on the other half, so that a gain is not the
fit's own optimism. Group-wise decision rules can be unlawful where the group is a protected one;
the preview says what is at stake, not what to do.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audits.fairness.causes.explain import NO_THRESHOLD, not_available, why_not
from audits.fairness.causes.influence import Mean, estimate, mean_over, patients_in
from audits.fairness.causes.missingness import proportion
from audits.fairness.causes.rows import Rows, Split, build_rows
from audits.fairness.mitigation.recalibration import isotonic_curve, logistic_curve
from audits.fairness.mitigation.thresholds import equal_rate, randomised
from audits.fairness.types import BoolArray, FloatArray, ScoredOutput
from audits.policy import Policy
from audits.types import Estimate

NOTE = (
    "Preview: nothing of this is applied. Rules were fitted on half of the patients and judged on "
    "the other half. Deciding by group can be unlawful where the group is a protected one; ask "
    "before acting on it."
)
RATES = ("tpr", "fpr", "selection_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A way to decide by group, on the held-out rows.

    Attributes:
        name: Method.
        flagged: Chance of being flagged, (n,); rows of the fitting half are not used.
        score: Recalibrated probability, (n,), or None where scores stay.
        parameters: What was fitted, by level.
    """

    name: str
    flagged: FloatArray
    score: FloatArray | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def preview_mitigation(output: ScoredOutput, policy: Policy, *, seed: int = 0) -> dict[str, Any]:
    """Preview what each method would change for every group of every declared attribute.

    Args:
        output: Labels, scores and groups.
        policy: Names the groups, and how many cases of a class a group needs to be fitted.
        seed: Decides which patients fit and which judge.

    Returns:
        Per attribute: the rates now, and per method the rates after and their change, with
        intervals clustered by patient, on held-out patients.

    Raises:
        AuditError: If the output's arrays do not fit together.
    """
    reason = why_not(output) or (NO_THRESHOLD if output.threshold is None else None)
    if reason is not None:
        return not_available(reason)
    rows = build_rows(output, policy)
    rng = np.random.default_rng([seed, zlib.crc32(f"mitigation|{output.name}".encode())])
    fit = rng.permutation(rows.frame.patients)[rows.frame.patient] % 2 == 0
    attributes = []
    for split in rows.splits:
        groups, left = _fitted_groups(rows, split, fit, policy.min_effective_per_class)
        if len(groups) < 2:  # noqa: PLR2004 - rules that differ need two groups
            attributes.append(
                {
                    "attribute": split.name,
                    **not_available("fewer than two groups are large enough to fit a rule"),
                    "not_fitted": left,
                }
            )
            continue
        rules = _rules(rows, split, fit, groups)
        attributes.append(
            {
                "attribute": split.name,
                "state": "computed",
                "not_fitted": left,
                "now": _now(rows, split, ~fit),
                "methods": [_described(rows, split, rule, ~fit) for rule in rules],
            }
        )
    return {
        "state": "computed",
        "preview": True,
        "note": NOTE,
        "fitted_on": {"n": int(fit.sum()), "patients": _patients(rows, fit)},
        "judged_on": {"n": int((~fit).sum()), "patients": _patients(rows, ~fit)},
        "attributes": attributes,
    }


def _patients(rows: Rows, mask: BoolArray) -> int | None:
    return patients_in(rows, mask) if rows.frame.named_patients else None


def _fitted_groups(
    rows: Rows, split: Split, fit: BoolArray, needed: float
) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Return the groups with enough cases of each class, and why the others keep the common rule.

    ``needed`` counts cases of each class in the fitting half.
    """
    groups, left = {}, []
    for code in split.occupied:
        inside = (split.codes == code) & fit
        fewest = min(int((inside & rows.y).sum()), int((inside & ~rows.y).sum()))
        if fewest >= needed:
            groups[code] = split.levels[code]
        else:
            reason = f"fewer than {needed:g} cases of a class to fit on; the common rule is kept"
            left.append({"attributes": {split.name: split.levels[code]}, "reason": reason})
    return groups, left


def _rules(rows: Rows, split: Split, fit: BoolArray, groups: Mapping[int, str]) -> list[Rule]:
    rules = [
        _own_thresholds(rows, split, fit, groups, "equal_sensitivity", rows.y),
        _own_thresholds(rows, split, fit, groups, "equal_false_alarms", ~rows.y),
        _optimised(rows, split, fit, groups),
    ]
    if rows.frame.probabilities:
        rules += [
            _recalibrated(rows, split, fit, groups, "recalibration_logistic"),
            _recalibrated(rows, split, fit, groups, "recalibration_isotonic"),
        ]
    return rules


def _own_thresholds(
    rows: Rows, split: Split, fit: BoolArray, groups: Mapping[int, str], name: str, base: BoolArray
) -> Rule:
    common = float(rows.threshold or 0.0)
    found = equal_rate(rows.score[fit], base[fit], split.codes[fit], groups, common)
    limits = np.full(rows.n, common)
    for code, limit in found.items():
        limits[split.codes == code] = limit
    return Rule(
        name=name,
        flagged=(rows.score >= limits).astype(np.float64),
        parameters={groups[code]: {"threshold": limit} for code, limit in found.items()},
    )


def _optimised(rows: Rows, split: Split, fit: BoolArray, groups: Mapping[int, str]) -> Rule:
    among = np.isin(split.codes, list(groups))
    learn = fit & among
    chance, found = randomised(
        rows.score[learn],
        rows.y[learn],
        split.codes[learn],
        rows.score[among],
        split.codes[among],
    )
    flagged = np.asarray(rows.called, dtype=np.float64)
    flagged[among] = chance
    return Rule(
        name="threshold_optimizer",
        flagged=flagged,
        parameters={groups[code]: {"rules": rule} for code, rule in found.items()},
    )


def _recalibrated(
    rows: Rows, split: Split, fit: BoolArray, groups: Mapping[int, str], name: str
) -> Rule:
    score = rows.score.copy()
    parameters: dict[str, Any] = {}
    for code, level in groups.items():
        inside = split.codes == code
        learn = inside & fit
        made = None
        if name == "recalibration_isotonic":
            made = isotonic_curve(rows.score[learn], rows.y[learn], rows.score[inside])
        else:
            made = logistic_curve(rows.score[learn], rows.y[learn], rows.score[inside])
        if made is None:
            parameters[level] = {"reason": "no rising curve fits; the scores are kept"}
            continue
        score[inside] = made
    flagged = (score >= float(rows.threshold or 0.0)).astype(np.float64)
    return Rule(name=name, flagged=flagged, score=score, parameters=parameters)


def _sets(split: Split, held_out: BoolArray) -> list[tuple[dict[str, str], BoolArray]]:
    """Return everybody, then every group, on the held-out patients."""
    groups = [
        ({split.name: split.levels[code]}, (split.codes == code) & held_out)
        for code in split.occupied
    ]
    return [({}, held_out), *groups]


def _bases(rows: Rows) -> dict[str, BoolArray]:
    return {"tpr": rows.y, "fpr": ~rows.y, "selection_rate": np.ones(rows.n, dtype=np.bool_)}


def _now(rows: Rows, split: Split, held_out: BoolArray) -> list[dict[str, Any]]:
    called = np.asarray(rows.called)
    out = []
    for label, mask in _sets(split, held_out):
        metrics = {
            metric: proportion(rows, called, mask & base) for metric, base in _bases(rows).items()
        }
        if rows.frame.probabilities:
            metrics |= _calibration(rows, rows.score, mask)
        shown = {metric: value.to_dict() for metric, value in metrics.items()}
        out.append({"attributes": label, "metrics": shown})
    return out


def _described(rows: Rows, split: Split, rule: Rule, held_out: BoolArray) -> dict[str, Any]:
    groups = []
    for label, mask in _sets(split, held_out):
        metrics: dict[str, Any] = {
            metric: {
                "after": _after(rows, rule.flagged, mask & base).to_dict(),
                "change": _change(rows, rule.flagged, mask & base).to_dict(),
            }
            for metric, base in _bases(rows).items()
        }
        if rule.score is not None:
            after = _calibration(rows, rule.score, mask)
            metrics |= {metric: {"after": value.to_dict()} for metric, value in after.items()}
        groups.append({"attributes": label, "metrics": metrics})
    return {"method": rule.name, "parameters": dict(rule.parameters), "groups": groups}


def _after(rows: Rows, flagged: FloatArray, base: BoolArray) -> Estimate:
    """Return the rate after; where a coin decides, the expected one."""
    inside = flagged[base]
    if np.isin(inside, (0.0, 1.0)).all():
        return proportion(rows, flagged > 0, base)
    mean = mean_over(flagged, base)
    return estimate(
        rows,
        mean.value,
        mean.influence,
        base,
        fewest=patients_in(rows, base),
        bounds=(0.0, 1.0),
        method="expected rate, influence function clustered by patient",
    )


def _change(rows: Rows, flagged: FloatArray, base: BoolArray) -> Estimate:
    """Return after − now on the same patients."""
    if not base.any():
        return Estimate.undefined("no cases", n=0)
    moved = flagged - np.asarray(rows.called, dtype=np.float64)
    mean = mean_over(moved, base)
    same = not moved[base].any()
    return estimate(
        rows,
        mean.value,
        mean.influence,
        base,
        fewest=patients_in(rows, base),
        bounds=(-1.0, 1.0),
        reason="no decision changes" if same else None,
    )


def _calibration(rows: Rows, score: FloatArray, mask: BoolArray) -> dict[str, Estimate]:
    """Return observed over expected events and the Brier score."""
    n = int(mask.sum())
    if not n:
        return dict.fromkeys(("oe_ratio", "brier"), Estimate.undefined("no cases", n=0))
    fewest = patients_in(rows, mask)
    brier = mean_over((score - rows.y) ** 2, mask)
    found = {
        "brier": estimate(
            rows, brier.value, brier.influence, mask, fewest=fewest, bounds=(0.0, 1.0)
        )
    }
    observed: Mean = mean_over(rows.y, mask)
    expected: Mean = mean_over(score, mask)
    if observed.value <= 0 or expected.value <= 0:
        return {**found, "oe_ratio": Estimate.undefined("no observed or expected events", n=n)}
    ratio = observed.value / expected.value
    relative = observed.influence / observed.value - expected.influence / expected.value
    made = estimate(rows, ratio, ratio * relative, mask, fewest=fewest, log=True)
    return {**found, "oe_ratio": made}
