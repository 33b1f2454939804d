"""Slices that nobody declared: found on one half of the patients, tested on the other.

The search may look at everything, because its p-values come from patients it never saw; tools
that test where they search raise false alarms in most scans of a fair model.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.fairness.causes.explain import NO_THRESHOLD, not_available, why_not
from audits.fairness.causes.influence import estimate, mean_over, patients_in
from audits.fairness.causes.logistic import fit_logistic, safe_logit, spline_design
from audits.fairness.causes.missingness import proportion
from audits.fairness.causes.rows import Context, Rows, build_rows
from audits.fairness.intervals import mover
from audits.fairness.slices.conditions import Condition, conditions_of
from audits.fairness.slices.confirm import PERMUTATIONS, Claim, Measure, confirm
from audits.fairness.slices.search import Found, find_slices
from audits.fairness.types import BoolArray, FloatArray, ScoredOutput
from audits.policy import Policy
from audits.types import Estimate

MIN_PATIENTS = 40
NOTE = (
    "Exploratory: slices were sought on half of the patients and tested on the other half; p is "
    "adjusted for all slices that were tested. No verdict rests on it. Missed cases gather where "
    "patients look less ill, false alarms where they look more so; underestimated and "
    "overestimated slices are those whose outcome differs from that of others with the same score."
)


def discover_slices(
    output: ScoredOutput, policy: Policy, *, seed: int = 0, context: Context | None = None
) -> dict[str, Any]:
    """Search for slices of up to three variables in which one output errs more often.

    Four measures are searched: missed cases (``tpr``), false alarms (``fpr``), and outcomes
    above or below those of other cases with the same score.

    Args:
        output: Labels, scores and groups.
        policy: Names the groups and the level of the tests.
        seed: Decides which patients search and which test.
        context: Clinical variables aligned to the output's rows.

    Returns:
        The tested slices with their estimates on the testing half, least likely first.

    Raises:
        AuditError: If the output's arrays do not fit together.
    """
    reason = why_not(output)
    if reason is not None:
        return not_available(reason)
    rows = build_rows(output, policy)
    if rows.frame.patients < MIN_PATIENTS:
        return not_available(f"fewer than {MIN_PATIENTS} patients to split into halves")
    rng = np.random.default_rng([seed, zlib.crc32(f"slices|{output.name}".encode())])
    learn = rng.permutation(rows.frame.patients)[rows.frame.patient] % 2 == 0
    columns = (context or Context()).columns
    conditions = conditions_of(rows.splits, columns, rows.frame.keep, learn)
    if not conditions:
        return not_available("the cohort has no group and no clinical variable")
    claims: list[Claim] = []
    origins: list[Found] = []
    for name, measure in _measures(rows, learn).items():
        for found in find_slices(conditions, measure.loss, measure.base):
            inside = np.logical_and.reduce([conditions[i].mask for i in found.members])
            claims.append(Claim(measure=name, inside=np.asarray(inside)))
            origins.append(found)
    held_out = _measures(rows, ~learn)
    tested = confirm(claims, held_out, rows.frame.patient, rng)
    entries = []
    for claim, found, (statistic, p) in zip(claims, origins, tested, strict=True):
        entries.append(
            {
                "metric": claim.measure,
                "conditions": _said(conditions, found.members),
                **_estimates(rows, claim, held_out),
                "statistic": statistic,
                "p": p,
                "flagged": p is not None and p <= policy.alpha,
                "reason": None if p is not None else "too few such cases in the testing half",
                "merged": [_said(conditions, members) for members in found.merged],
            }
        )
    entries.sort(key=lambda one: (one["p"] is None, one["p"] or 0.0, -(one["statistic"] or 0.0)))
    return {
        "state": "computed",
        "exploratory": True,
        "note": NOTE,
        "not_searched": [] if rows.called is not None else [NO_THRESHOLD],
        "variables": len({condition.variable for condition in conditions}),
        "conditions": len(conditions),
        "permutations": PERMUTATIONS,
        "slices": entries,
    }


def _measures(rows: Rows, half: BoolArray) -> dict[str, Measure]:
    """Return what is searched for on one half of the patients."""
    out = {}
    if rows.called is not None:
        wrong = (rows.called != rows.y).astype(np.float64)
        out["tpr"] = Measure(base=rows.y & half, loss=wrong)
        out["fpr"] = Measure(base=~rows.y & half, loss=wrong)
    residual = _residual(rows, half)
    if residual is not None:
        out["underestimated"] = Measure(base=half, loss=residual, residual=True)
        out["overestimated"] = Measure(base=half, loss=-residual, residual=True)
    return out


def _residual(rows: Rows, half: BoolArray) -> FloatArray | None:
    """Return label minus its chance given the score alone, fitted within this half.

    The fit takes out what is wrong with the score for everybody, so that a slice is not found
    for having many high scores.
    """
    score = safe_logit(rows.score) if rows.frame.probabilities else rows.score
    own = score[half]
    design = spline_design(own, rows.y[half])
    beta = fit_logistic(design, rows.y[half])
    if beta is None:
        return None
    out = np.zeros(rows.n)
    out[half] = rows.y[half] - 1 / (1 + np.exp(-(design @ beta)))
    return out


def _said(conditions: list[Condition], members: tuple[int, ...]) -> list[str]:
    return [conditions[i].text for i in members]


def _estimates(rows: Rows, claim: Claim, measures: Mapping[str, Measure]) -> dict[str, Any]:
    """Return the slice, the rest and their difference on the testing half."""
    measure = measures.get(claim.measure)
    if measure is None:
        nothing = Estimate.undefined("the testing half has one label only").to_dict()
        return {"slice": nothing, "rest": nothing, "difference": nothing}
    mine, others = measure.base & claim.inside, measure.base & ~claim.inside
    if measure.residual:
        sign = 1.0 if claim.measure == "underestimated" else -1.0
        return _residual_estimates(rows, sign * measure.loss, mine, others)
    flagged = np.asarray(rows.called)
    own, rest = proportion(rows, flagged, mine), proportion(rows, flagged, others)
    difference = Estimate.undefined("one side has no such cases")
    if own.value is not None and rest.value is not None:
        low, high = mover((own.value, own.low, own.high), (rest.value, rest.low, rest.high))
        difference = Estimate(
            value=own.value - rest.value,
            low=float(low),
            high=float(high),
            n=(own.n or 0) + (rest.n or 0),
            method="newcombe on effective counts",
        )
    named = {"slice": own, "rest": rest, "difference": difference}
    return {name: value.to_dict() for name, value in named.items()}


def _residual_estimates(
    rows: Rows, residual: FloatArray, mine: BoolArray, others: BoolArray
) -> dict[str, Any]:
    """Return the outcome above what others with the same score had, as a share of cases."""
    own, rest = mean_over(residual, mine), mean_over(residual, others)
    sizes = [patients_in(rows, side) for side in (mine, others)]
    bounds = (-1.0, 1.0)
    difference = estimate(
        rows,
        own.value - rest.value,
        own.influence - rest.influence,
        mine | others,
        fewest=min(sizes),
        bounds=bounds,
    )
    return {
        "slice": estimate(
            rows, own.value, own.influence, mine, fewest=sizes[0], bounds=bounds
        ).to_dict(),
        "rest": estimate(
            rows, rest.value, rest.influence, others, fewest=sizes[1], bounds=bounds
        ).to_dict(),
        "difference": difference.to_dict(),
    }
