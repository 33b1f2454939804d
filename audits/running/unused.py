"""What a policy sets for outputs and groups that a run does not have."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from audits.policy import Policy
from audits.types import Finding


def unused_settings(
    policy: Policy, outputs: Collection[str], groups: Collection[str]
) -> tuple[Finding, ...]:
    """Return a finding for every setting that a misspelt name would leave without effect.

    Args:
        policy: The policy of the run.
        outputs: Names of the audited outputs.
        groups: Names of the attributes that were read.
    """
    named = (
        ("thresholds", policy.thresholds, outputs, "output"),
        ("horizons", policy.horizons, outputs, "output"),
        ("audit.reference", policy.reference, groups, "group"),
        ("causes.population", policy.causes.population, groups, "group"),
        ("causes.second_label", policy.causes.second_label, outputs, "output"),
    )
    return tuple(
        Finding(
            severity="warning",
            where=f"{policy.by}: {section}.{name}",
            message=f"It has no effect: the run has no {what} {name!r}; correct the name, or "
            "remove it.",
        )
        for section, settings, known, what in named
        for name in settings
        if name not in known
    )


def undeclared_intersections(asked: Sequence[Sequence[str]], policy: Policy) -> list[Finding]:
    """Say which intersections were asked for but not declared, and so are exploratory.

    Args:
        asked: Attributes of each intersection.
        policy: The policy of the run.
    """
    declared = {frozenset(names) for names in policy.intersections}
    return [
        Finding(
            severity="info",
            where=f"intersection {'×'.join(names)}",
            message="The policy does not declare it, so it is exploratory: it gets no q and no "
            "verdict.",
        )
        for names in asked
        if frozenset(names) not in declared
    ]
