"""Survival outputs: scores as risks, and the horizon they are judged at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from audits.fairness.survival.outcome import SurvivalOutcome
from audits.types import Finding

Numbers = npt.NDArray[np.float64]


def survival_scores(score: Numbers, space: str) -> tuple[Numbers, bool]:
    """Return scores of which more means sooner, and whether they are probabilities.

    Args:
        score: Scores in ``space``, (n,).
        space: ``probability`` of the event by the horizon, ``survival`` past it, or a scale that
            only ranks (``log_hazard``, ``logit``, ``value``).
    """
    if space == "survival":
        return 1 - score, True
    return score, space == "probability"


def survival_outcome(  # noqa: PLR0913 - all who may name a horizon
    name: str,
    time: Numbers,
    event: npt.NDArray[np.int8],
    *,
    declared: Mapping[str, float],
    command: float | None = None,
    study: float | None = None,
    unit: str | None = None,
    probabilities: bool,
) -> tuple[SurvivalOutcome, tuple[Finding, ...]]:
    """Return the outcome with its horizon: that of the command, else the policy, else the study.

    Where nobody names one, the median time of the observed events stands in, which is a finding.

    Args:
        name: Output.
        time: Follow-up, NaN where missing, (n,).
        event: 1 where it ended with the event, (n,).
        declared: Horizons of the policy, by output.
        command: Horizon of the command line.
        study: Horizon that the study declares for the label.
        unit: Unit of the times.
        probabilities: Whether the scores are probabilities of the event by the horizon.
    """
    named = [h for h in (command, declared.get(name), study) if h is not None]
    horizon = named[0] if named else None
    findings = []
    seen = time[(event == 1) & np.isfinite(time)]
    if horizon is None and len(seen):
        horizon = float(np.median(seen))
        message = (
            f"No horizon was named, so the median time of the events, {horizon:g}, stands in; name "
            "the one in use with --horizon, in the policy's [horizons] or in the study."
        )
        findings.append(Finding(severity="warning", where=f"{name}: horizon", message=message))
    outcome = SurvivalOutcome(time=time, horizon=horizon, unit=unit, probabilities=probabilities)
    return outcome, tuple(findings)
