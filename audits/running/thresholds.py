"""Where a threshold comes from: the command line, else the policy, else the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audits.errors import AuditError
from audits.policy import Policy
from audits.types import Finding

CUSTOMARY_THRESHOLD = 0.5
"""What a table of probabilities is cut at where nobody names a threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold and who set it.

    Attributes:
        value: Predicted positive means score >= value; None where nobody set one.
        source: ``command``, ``policy`` or ``model``.
        chosen_on: sha256 of the study it was chosen on, where declared.
    """

    value: float | None
    source: str = "model"
    chosen_on: str | None = None


def threshold_of(
    name: str,
    *,
    command: float | None,
    policy: Mapping[str, float],
    model: float | None = None,
    chosen_on: str | None = None,
) -> Threshold:
    """Return the threshold of one output."""
    if command is not None:
        return Threshold(value=command, source="command", chosen_on=chosen_on)
    if name in policy:
        return Threshold(value=policy[name], source="policy")
    return Threshold(value=model, source="model", chosen_on=chosen_on)


def named_threshold(
    name: str, *, command: float | None, policy: Policy, chosen_on: str | None, space: str
) -> tuple[Threshold, list[Finding]]:
    """Return the threshold of a binary output of a table; 0.5 stands in for probabilities.

    Args:
        name: The output.
        command: From the command line.
        policy: Names those of outputs.
        chosen_on: sha256 of the data it was chosen on.
        space: Scale of the scores.
    """
    found = threshold_of(name, command=command, policy=policy.thresholds, chosen_on=chosen_on)
    refuse_out_of_reach(name, found, space)
    if found.value is not None or space != "probability":
        return found, []
    standing_in = Threshold(value=CUSTOMARY_THRESHOLD, source="command")
    return standing_in, [customary_threshold(name)]


def refuse_out_of_reach(name: str, threshold: Threshold, space: str) -> None:
    """Refuse a threshold that no predicted risk reaches, or that all do.

    Args:
        name: The output.
        threshold: On the scale of probabilities where the scores are probabilities or logits.
        space: Scale of the scores.

    Raises:
        AuditError: It lies outside [0, 1]; every group would be called alike.
    """
    value = threshold.value
    if space not in {"probability", "logit"} or value is None or 0 <= value <= 1:
        return
    raise AuditError(
        f"{name}: the threshold of the {threshold.source} is {value:g}, but thresholds cut "
        "predicted risks, which lie between 0 and 1; correct it, or say that the scores are "
        "values (space)."
    )


def customary_threshold(name: str) -> Finding:
    """Return the finding that nobody named a threshold for an output."""
    return Finding(
        severity="warning",
        where=f"{name}: threshold",
        message=f"No threshold was named, so decisions are read at {CUSTOMARY_THRESHOLD:g}; "
        "name the one in use with --threshold or in the policy's [thresholds].",
    )


def paired_thresholds(thresholds: Sequence[float], names: Sequence[str]) -> list[float | None]:
    """Pair thresholds with outputs in order; one serves all.

    Raises:
        AuditError: Their numbers do not fit, or one is not a number that a score can reach.
    """
    odd = [value for value in thresholds if not math.isfinite(value)]
    if odd:
        raise AuditError(f"A threshold is a finite number, found {odd[0]:g}; correct it.")
    return _paired(thresholds, names, "Thresholds")


def paired_horizons(horizons: Sequence[float], names: Sequence[str]) -> list[float | None]:
    """Pair horizons of survival outputs with them in order; one serves all.

    Raises:
        AuditError: Their numbers do not fit, or one is not above 0.
    """
    late = [h for h in horizons if not 0 < h < math.inf]
    if late:
        raise AuditError(f"A horizon is a finite time above 0, found {late[0]:g}; correct it.")
    return _paired(horizons, names, "Horizons")


def _paired(numbers: Sequence[float], names: Sequence[str], what: str) -> list[float | None]:
    if not numbers:
        return [None] * len(names)
    if len(numbers) == 1:
        return [float(numbers[0])] * len(names)
    if len(numbers) != len(names):
        raise AuditError(
            f"{what} pair with labels in order, found {len(numbers)} for {len(names)} "
            "labels; give one for all or one for each."
        )
    return [float(number) for number in numbers]
