"""The causes panel of one output: why groups differ, as far as the data can say."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from audits.fairness.audit import families_of
from audits.fairness.causes.common_prevalence import common_prevalence
from audits.fairness.causes.independence import independence
from audits.fairness.causes.label_choice import label_choice
from audits.fairness.causes.label_error import tipping_points
from audits.fairness.causes.missingness import missing_labels, missing_values, unknown_groups
from audits.fairness.causes.population import representativeness
from audits.fairness.causes.rows import BINARY_TASKS, MAX_LEVELS, Context, Rows, build_rows
from audits.fairness.causes.standardised import standardised_gaps
from audits.fairness.causes.underdiagnosis import underdiagnosis
from audits.fairness.types import ScoredOutput
from audits.policy import Policy

NO_THRESHOLD = "no threshold is declared, so nobody is called positive or negative"
NOTE = (
    "Descriptive: no verdict rests on these numbers. Adjusting for what lies between a group and "
    "its outcome hides part of a gap; not adjusting for case mix shows one that is not the model's."
)


def not_available(reason: str) -> dict[str, Any]:
    """Return a section that cannot be computed, saying why."""
    return {"state": "not_available", "reason": reason}


def why_not(output: ScoredOutput) -> str | None:
    """Return why an output has no causes, slices or mitigation, or None where it can have."""
    if output.task not in BINARY_TASKS:
        return f"only for outcomes that are there or not, not for {output.task}"
    y = np.asarray(output.y, dtype=np.float64)
    known = np.isin(y, (0, 1)) & ~np.isnan(np.asarray(output.score, dtype=np.float64))
    return None if known.any() else "no case has both a label and a score"


def explain_gaps(
    output: ScoredOutput, policy: Policy, *, seed: int = 0, context: Context | None = None
) -> dict[str, Any]:
    """Explain the gaps of one output.

    Args:
        output: Labels, scores and groups.
        policy: Names the groups, their references, and may declare a target population.
        seed: Seed of the patient resamples and of drawn tables.
        context: Clinical variables and a second label, aligned to the output's rows.

    Returns:
        One section per question; each is computed or says why it is not available. Every
        estimate is the ESTIMATE of the contract.

    Raises:
        AuditError: If the output's arrays do not fit together.
    """
    reason = why_not(output)
    if reason is not None:
        return not_available(reason)
    context = context or Context()
    rows = build_rows(output, policy)
    rng = np.random.default_rng([seed, zlib.crc32(f"{output.model}|{output.name}".encode())])
    return {
        "state": "computed",
        "note": NOTE,
        "largest_levels_only": [s.name for s in rows.splits if len(s.occupied) > MAX_LEVELS],
        "standardised_gaps": _listed(standardised_gaps(rows), "fewer than two groups"),
        "independence": {"state": "computed", **independence(rows, rng)},
        **_at_threshold(rows, output, policy, rng),
        "label_error": {"state": "computed", **tipping_points(rows)},
        "label_choice": _second_label(rows, context),
        "missingness": _missing(rows, output, context),
        "representativeness": _population(rows, policy.causes.population),
    }


def _listed(entries: list[dict[str, Any]], reason: str) -> dict[str, Any]:
    return {"state": "computed", "gaps": entries} if entries else not_available(reason)


def _at_threshold(
    rows: Rows, output: ScoredOutput, policy: Policy, rng: np.random.Generator
) -> dict[str, Any]:
    if rows.called is None:
        names = ("common_prevalence", "underdiagnosis")
        return {name: not_available(NO_THRESHOLD) for name in names}
    families, _ = families_of(rows.frame, output, policy)
    declared = [family for family in families if family.declared or not policy.groups]
    return {
        "common_prevalence": {"state": "computed", **common_prevalence(rows)},
        "underdiagnosis": {
            "state": "computed",
            **underdiagnosis(rows, output.name, declared, rng),
        },
    }


def _second_label(rows: Rows, context: Context) -> dict[str, Any]:
    if context.second_label is None:
        return not_available(
            context.no_second_label
            or "no second label is declared; name a column in [causes.second_label] of the policy"
        )
    name, values = context.second_label
    need = np.asarray(values, dtype=np.float64)[rows.frame.keep]
    if not np.isfinite(need).any():
        return not_available(f"the second label {name!r} has no value")
    return {"state": "computed", **label_choice(rows, name, need)}


def _missing(rows: Rows, output: ScoredOutput, context: Context) -> dict[str, Any]:
    wanted = {split.name for split in rows.splits}
    splits = [
        (item.name, item.levels, np.asarray(item.codes, dtype=np.int64))
        for item in output.attributes
        if item.name in wanted
    ]
    dropped = ~rows.frame.keep
    variables = missing_values(rows, context.columns)
    return {
        "state": "computed",
        "labels": missing_labels(splits, dropped) if dropped.any() else [],
        "labels_missing": int(dropped.sum()),
        "variables": variables
        if context.columns
        else not_available("the cohort has no clinical variables beside its groups"),
        "unknown": unknown_groups(rows),
    }


def _population(rows: Rows, population: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    if not population:
        return not_available(
            "no target population is declared; give its shares under [causes.population.GROUP] "
            "in the policy"
        )
    return {"state": "computed", "attributes": representativeness(rows, population)}
