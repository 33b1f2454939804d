"""Sections that some outputs have beside metrics and verdicts: residuals, stays, custom metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from audits.fairness import BINARY_TASKS, FairnessResult, ScoredOutput
from audits.fairness.bootstrap import bootstrap_section
from audits.fairness.confusion import confusion_section, multiclass_sets
from audits.fairness.custom import CustomMetric, custom_section
from audits.fairness.observed_risk import observed_section
from audits.fairness.reliability import reliability_section
from audits.fairness.residuals import residuals_section
from audits.fairness.stays.alarms import Stays
from audits.fairness.stays.section import stays_section
from audits.fairness.survival.outcome import SurvivalOutcome
from audits.policy import Policy


def with_sections(  # noqa: PLR0913 - passes the run's options on
    result: FairnessResult,
    outputs: Sequence[ScoredOutput],
    policy: Policy,
    *,
    stays: Sequence[Stays | None],
    custom: Sequence[CustomMetric] = (),
    seed: int,
    bootstrap: int = 0,
    device: str = "cpu",
) -> FairnessResult:
    """Return the audit with the further sections of every output.

    Args:
        result: The audit; its verdicts stay as they are.
        outputs: What was audited, in order.
        policy: Names the groups.
        stays: When each output's predictions were made, where they repeat during stays.
        custom: Further metrics.
        seed: Seed of the resamples.
        bootstrap: Resamples of the patients of binary outputs; 0 for none.
        device: Where they are drawn.
    """
    confusions = {
        places[0]: confusion_section([outputs[at] for at in places], policy)
        for places in multiclass_sets(outputs)
    }
    deeper = []
    for at, (made, output, repeated) in enumerate(zip(result.outputs, outputs, stays, strict=True)):
        extras: dict[str, Any] = {}
        if output.task == "regression":
            extras["residuals"] = residuals_section(output, policy)
        if repeated is not None:
            extras["stays"] = stays_section(output, repeated, policy)
        if output.task in BINARY_TASKS and (curve := reliability_section(output)) is not None:
            extras["reliability"] = curve
        declared = policy.deployment.prevalence.get(output.name)
        if (observed := observed_section(output, declared)) is not None:
            extras["observed_risk"] = observed
        if at in confusions:
            extras["confusion"] = confusions[at]
        if custom:
            extras["custom"] = custom_section(output, custom, policy, seed=seed)
        if bootstrap and output.task in BINARY_TASKS and output.weights is None:
            extras["bootstrap"] = bootstrap_section(
                output, policy, replicates=bootstrap, seed=seed, device=device
            )
        if isinstance(output.details, SurvivalOutcome):
            extras["horizon"] = {"value": output.details.horizon, "unit": output.details.unit}
        deeper.append(replace(made, extras={**made.extras, **extras}))
    return replace(result, outputs=tuple(deeper))
