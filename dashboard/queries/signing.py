"""The sign-off of a run: where it stands, and what a person adds; read anew every time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from audits.reporting.document.findings import disparities, told
from audits.reporting.export import FORMATS
from audits.reporting.requirements import card_field
from audits.reporting.requirements.cards import card_fields
from audits.reporting.signoff import (
    DECISIONS,
    ROLES,
    Obstacles,
    SignOff,
    add_records,
    attestation,
    declaration,
    disparity_action,
    exploratory_limit,
    filing_of,
    finalise,
    input_decision,
    obstacles,
    reviews_summary,
    supersession,
)
from audits.reporting.signoff.entries import KEEP, subject_of
from audits.reporting.signoff.rules import suppression_failures
from audits.storage import Reviews
from dashboard.identity import Person
from dashboard.queries.runs import RunRef, load_run
from dashboard.settings import read_settings

KEY = "AUSCULT_SIGNING_KEY"
"""Environment variable that names the site's private key on the server."""

ATTESTS: Mapping[str, tuple[str, ...]] = {
    "reviewer": ("prepared", "compliance"),
    "owner": ("prepared", "owner"),
    "clinician": ("clinical",),
}
"""Role in the dashboard to the signatures that it may give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One disparity of the register: its number, its sentence, and who acts on it."""

    number: int
    sentence: str
    owner: str
    due: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the sign-off of a run stands."""

    signoff: SignOff
    stands: Obstacles
    register: tuple[Entry, ...]


def standing(ref: RunRef, profiles: Sequence[str]) -> Standing:
    """Return where the sign-off stands, for the chosen profiles.

    Raises:
        StoreError: The records are not as they were written.
    """
    run = load_run(ref)
    filing = filing_of(run, profiles)
    return Standing(
        signoff=filing.signoff,
        stands=obstacles(run, filing, suppression=_suppression(ref)),
        register=tuple(_register(run.evidence, filing.signoff)),
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _suppression(ref: RunRef) -> tuple[str, ...]:
    """Return where the release shows what it must mask; a run never changes."""
    return tuple(suppression_failures(load_run(ref)))


def _register(evidence: Mapping[str, Any], signoff: SignOff) -> list[Entry]:
    found = []
    for number, (output, one) in enumerate(disparities(evidence["outputs"]), start=1):
        action = signoff.action_on(subject_of(output, one)) or {}
        found.append(
            Entry(
                number=number,
                sentence=told(output, one),
                owner=str(action.get("owner") or ""),
                due=str(action.get("due") or ""),
            )
        )
    return found


def field_label(name: str) -> str:
    """Return the words for a field of the report."""
    return card_field(name).label


def all_fields() -> list[str]:
    """Return every field that may be declared, in the order of a card."""
    return list(card_fields())


def input_names(ref: RunRef) -> list[str]:
    """Return the inputs of all models, each once."""
    models = load_run(ref).evidence["models"]
    fields = [field for model in models for field in model.get("inputs", ())]
    return list(
        dict.fromkeys(str(f["name"]) for field in fields for f in field.get("features") or [field])
    )


def role_labels(person: Person) -> dict[str, str]:
    """Return the signatures that a person may give, with their words."""
    mine = {role for held in person.roles for role in ATTESTS[held]}
    return {role: label for role, label in ROLES.items() if role in mine}


def signature_labels() -> dict[str, str]:
    """Return every signature that a report needs, in the order of signing."""
    return dict(ROLES)


def decision_labels() -> dict[str, str]:
    """Return the decisions of a signature, with their words."""
    return dict(DECISIONS)


def input_decisions() -> tuple[str, ...]:
    """Return what may be decided on an input."""
    return KEEP


def declare(ref: RunRef, fields: Sequence[str], by: str, text: str, *, absent: bool) -> None:
    """Declare fields, or say why they stay empty.

    Raises:
        AuditError: Text or name is missing.
        StoreError: The edition is final or the records cannot be written.
    """
    said = {"not_available": text} if absent else {"text": text}
    add_records(load_run(ref), [declaration(name, by=by, **said) for name in fields])


def act(ref: RunRef, number: int, by: str, **said: str) -> None:
    """Enter who does what about a disparity: ``owner``, ``due`` and ``action``.

    Raises:
        AuditError: Something is missing.
        StoreError: The edition is final or the records cannot be written.
    """
    run = load_run(ref)
    add_records(run, [disparity_action(run.evidence, number, by=by, **said)])


def decide(ref: RunRef, name: str, by: str, decision: str, reason: str) -> None:
    """Decide on an input.

    Raises:
        AuditError: Something is missing.
        StoreError: The edition is final or the records cannot be written.
    """
    run = load_run(ref)
    record = input_decision(run.evidence, name, by=by, decision=decision, reason=reason)
    add_records(run, [record])


def limit(ref: RunRef, metric: str, value: float, by: str, reason: str) -> None:
    """Declare a limit after the run.

    Raises:
        AuditError: Something is missing.
        StoreError: The edition is final or the records cannot be written.
    """
    add_records(load_run(ref), [exploratory_limit(metric, value, by=by, reason=reason)])


def enter_reviews(ref: RunRef, by: str) -> None:
    """Enter how often people agreed with single predictions of the run.

    Raises:
        AuditError: Nobody has said anything about a prediction of it.
        StoreError: The edition is final or the records cannot be written.
    """
    run = load_run(ref)
    said = Reviews(read_settings().store).listed(str(run.evidence["run"]["id"]))
    add_records(run, [reviews_summary(run.evidence, said, by=by)])


def report_as_it_stands(ref: RunRef, profiles: Sequence[str]) -> bytes:
    """Return the report with what is signed so far, as PDF."""
    run = load_run(ref)
    return FORMATS["pdf"](run.evidence, filing_of(run, profiles))


def sign(ref: RunRef, role: str, by: str, decision: str, note: str) -> None:
    """Sign the report as it stands.

    Raises:
        AuditError: Something is missing.
        StoreError: The edition is final or the records cannot be written.
    """
    add_records(load_run(ref), [attestation(role, by=by, decision=decision, note=note)])


def close(ref: RunRef, by: str, profiles: Sequence[str]) -> Path:
    """Finalise the edition and return the filed PDF, signed where the site set a key.

    Raises:
        AuditError: Something is missing.
        StoreError: The edition is final or the run is not as it was written.
    """
    named = os.environ.get(KEY)
    return finalise(load_run(ref), by=by, profiles=profiles, key=Path(named) if named else None)[1]


def reopen(ref: RunRef, by: str, reason: str) -> None:
    """Open a new edition.

    Raises:
        AuditError: The reason is missing, or no edition is final.
        StoreError: The records cannot be written.
    """
    add_records(load_run(ref), [supersession(by=by, reason=reason)])


def filed_report(ref: RunRef, edition: int) -> bytes | None:
    """Return the filed PDF of an edition, or None where it is not final."""
    path = Path(ref.path) / "signoff" / f"report-{edition}.pdf"
    return path.read_bytes() if path.is_file() else None
