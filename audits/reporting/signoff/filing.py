"""The evidence with what people signed of it, as every report reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audits.errors import AuditError
from audits.reporting.requirements.cards import card_field, declared_field
from audits.reporting.requirements.catalogue import Item, profiles
from audits.reporting.signoff.state import ROLES, SignOff, read_signoff
from audits.storage.run import Run

Evidence = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """How a report of a run is filed.

    Attributes:
        signoff: What people said of the run.
        profiles: Ids of the laws and guidelines that the report answers; None for all that
            the run answered.
    """

    signoff: SignOff = field(default_factory=SignOff)
    profiles: tuple[str, ...] | None = None


DRAFT = Filing()
"""A report that nobody has signed."""


def filing_of(run: Run, chosen: Sequence[str] = ()) -> Filing:
    """Return how a run is filed now.

    Args:
        run: The run.
        chosen: Ids of profiles; none for those that it was finalised with, else all that the
            run answered.

    Raises:
        AuditError: The run did not answer a chosen profile.
        StoreError: The sign-off records are not as they were written.
    """
    signoff = read_signoff(run.path)
    chosen = chosen or (signoff.final or {}).get("profiles") or ()
    known = dict.fromkeys(
        r["profile"] for r in run.evidence.get("requirements", ()) if r.get("profile")
    )
    for name in chosen:
        if name not in known:
            raise AuditError(
                f"report: the run has no profile {name!r}; choose from {', '.join(known)}."
            )
    return Filing(signoff=signoff, profiles=tuple(chosen) or None)


def with_signoff(evidence: Evidence, filing: Filing) -> dict[str, Any]:
    """Return the evidence as a report reads it: with the records under ``signoff``.

    Fields that a model's card leaves blank are taken from the records, and requirements that
    rest on them change their state; no number changes.
    """
    signoff = filing.signoff
    items = [r for r in evidence["requirements"] if _is_chosen(r, filing.profiles)]
    models = [_filled(model, signoff) for model in evidence["models"]]
    return {
        **evidence,
        "models": models,
        "requirements": list(_restated(items, signoff)),
        "signoff": signoff,
    }


def _is_chosen(item: Mapping[str, Any], chosen: tuple[str, ...] | None) -> bool:
    return chosen is None or not item.get("profile") or item["profile"] in chosen


def _filled(model: Mapping[str, Any], signoff: SignOff) -> dict[str, Any]:
    card = dict(model.get("card") or {})
    for name, said in signoff.fields.items():
        if said["text"] and declared_field(model, name) is None:
            card[name] = said["text"]
    return {**model, "card": card}


def _restated(items: Sequence[Mapping[str, Any]], signoff: SignOff) -> Iterator[dict[str, Any]]:
    known = {item.id: item for profile in profiles() for item in profile.items}
    for entry in items:
        item = known.get(entry["id"])
        yield {**entry, **_state(item, entry, signoff)} if item else dict(entry)


def _state(item: Item, entry: Mapping[str, Any], signoff: SignOff) -> dict[str, str]:
    """Return the new state and reason of an item, or nothing where the records say nothing."""
    signed = [role for role in item.attested if role in signoff.attestations]
    if item.attested and len(signed) == len(item.attested):
        told = ", ".join(
            f"{ROLES[role].lower()} {signoff.attestations[role]['by']}" for role in signed
        )
        return {"state": "attested", "reason": f"Signed: {told}."}
    if entry["state"] != "not_available" or not item.declared:
        return {}
    said = [signoff.fields.get(name) for name in item.declared]
    found = [one for one in said if one]
    if len(found) < len(said):
        return {}
    reasons = [str(one["reason"]) for one in found if one["reason"]]
    if reasons:
        return {"reason": f"Declared not available: {' '.join(dict.fromkeys(reasons))}"}
    labels = ", ".join(card_field(name).label.lower() for name in item.declared)
    who = ", ".join(dict.fromkeys(str(one["by"]) for one in found))
    return {"state": "declared", "reason": f"Declared at sign-off by {who}: {labels}."}


def blank_fields(evidence: Evidence, filing: Filing) -> list[str]:
    """Return the fields that the chosen profiles ask for and nobody filled or gave a reason for."""
    known = {item.id: item for profile in profiles() for item in profile.items}
    names: dict[str, None] = {}
    for entry in evidence["requirements"]:
        item = known.get(entry["id"])
        if item is None or entry["state"] != "not_available":
            continue
        if _is_chosen(entry, filing.profiles):
            names |= dict.fromkeys(item.declared)
    models = evidence["models"]
    return [
        name
        for name in names
        if name not in filing.signoff.fields
        and not (models and all(declared_field(model, name) for model in models))
    ]
