"""The state of every requirement, from one run's evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audits.reporting.requirements.cards import card_field, declared_field
from audits.reporting.requirements.catalogue import Item, Profile, profiles
from audits.reporting.requirements.facts import holds, why_not
from audits.reporting.sections import section

Evidence = Mapping[str, Any]
UNDECLARED = "Not declared under [card] in model.toml:"
UNSIGNED = "Nobody has signed the report of this run."


def assess_requirements(
    evidence: Evidence, *, only: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return every item of the catalogue with its state in a run.

    An item is ``computed`` where the run holds all facts it asks for, ``declared`` where every
    model's card holds all its fields, else ``not_available`` with the reason. ``attested`` is a
    person's word and never follows from a run. No state says that a requirement is met.

    Args:
        evidence: ``evidence.json`` at any release.
        only: Ids of profiles; None for all.

    Returns:
        Entries of ``requirements``: id, state, reason, profile, citation, name, section, status,
        effective, checked_on and verified.
    """
    return [
        _entry(profile, item, evidence)
        for profile in profiles()
        if only is None or profile.id in only
        for item in profile.items
    ]


def _entry(profile: Profile, item: Item, evidence: Evidence) -> dict[str, Any]:
    state, reason = _state(item, evidence)
    return {
        "id": item.id,
        "state": state,
        "reason": reason,
        "profile": profile.id,
        "citation": item.citation,
        "name": item.name,
        "section": item.section,
        "status": profile.status,
        "effective": profile.effective,
        "checked_on": profile.checked_on,
        "verified": item.verified,
    }


def _state(item: Item, evidence: Evidence) -> tuple[str, str]:
    absent = [why_not(fact) for fact in item.computed if not holds(fact, evidence)]
    if item.computed and not absent:
        return "computed", f"Evidence for it: {section(item.section).title}."
    silent = [name for name in item.declared if not _declared(name, evidence)]
    if item.declared and not silent:
        labels = ", ".join(card_field(name).label.lower() for name in item.declared)
        return "declared", f"The model card declares it: {labels}."
    if item.declared:
        absent.append(_undeclared(silent, evidence))
    if item.attested and not absent:
        absent.append(UNSIGNED)
    return "not_available", " ".join(dict.fromkeys(absent))


def _declared(name: str, evidence: Evidence) -> bool:
    models = evidence["models"]
    return bool(models) and all(declared_field(model, name) for model in models)


def _undeclared(names: Sequence[str], evidence: Evidence) -> str:
    if not evidence["models"]:
        return "No model was handed over, so no model card declares it."
    fields = ", ".join(names)
    return f"{UNDECLARED} {fields}."


def undeclared_fields(reason: str) -> tuple[str, tuple[str, ...]]:
    """Return a reason without what cards do not declare, and the names of those fields.

    Args:
        reason: The reason of an entry that is not available.
    """
    other, _, fields = reason.partition(UNDECLARED)
    return other.strip(), tuple(fields.strip().removesuffix(".").split(", ")) if fields else ()
