"""What the records of a run say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audits.storage.canonical import canonical_json
from audits.storage.chain import Link, read_chain

Record = Mapping[str, Any]

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "prepared": "Prepared by",
        "clinical": "Clinical review",
        "compliance": "Compliance review",
        "owner": "Model owner",
    }
)
"""Who signs a report, in the order of signing."""

DECISIONS: Mapping[str, str] = MappingProxyType(
    {"approve": "Approved", "conditions": "Approved with conditions", "reject": "Rejected"}
)
_CONTENT = frozenset(["declared", "limit", "action", "input", "reviews"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """The sign-off of a run as it stands.

    Attributes:
        edition: 1, and one more after each supersession.
        fields: Field to its latest declaration (``text`` or ``reason``, ``by``, ``time``).
        limits: Limits declared after the run; exploratory.
        actions: Latest action on each disparity.
        inputs: Input to the latest decision on it.
        reviews: Summary of what people said about single predictions, or None.
        attestations: Role to a signature that holds: nothing was changed after it.
        stale: Roles whose signature a later change undid.
        final: The record that closed this edition, or None.
        earlier: For each superseded edition ``edition``, ``finalised``, ``by``, ``reason``.
        head: Hash of the last record, or None.
        records: Every record in order, as written.
    """

    edition: int = 1
    fields: Mapping[str, Record] = field(default_factory=dict)
    limits: tuple[Record, ...] = ()
    actions: tuple[Record, ...] = ()
    inputs: Mapping[str, Record] = field(default_factory=dict)
    reviews: Record | None = None
    attestations: Mapping[str, Record] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    final: Record | None = None
    earlier: tuple[Record, ...] = ()
    head: str | None = None
    records: tuple[Record, ...] = ()

    def action_on(self, about: Mapping[str, Any]) -> Record | None:
        """Return the latest action on a disparity, or None."""
        return next((a for a in self.actions if a["about"] == about), None)

    def to_bytes(self) -> bytes:
        """Return the records as canonical JSON, for attaching them to a report."""
        return canonical_json({"head": self.head, "records": list(self.records)})


def read_signoff(run: Path) -> SignOff:
    """Return the sign-off of a run folder.

    Raises:
        StoreError: The records are not as they were written.
    """
    return signoff_of(read_chain(run))


def signoff_of(links: Sequence[Link]) -> SignOff:
    """Return what a chain of records says; a filed report is no statement of its own."""
    edition, final = 1, None
    fields: dict[str, Record] = {}
    inputs: dict[str, Record] = {}
    actions: dict[bytes, Record] = {}
    signed: dict[str, Record] = {}
    stale: list[str] = []
    limits: list[Record] = []
    earlier: list[Record] = []
    told = [link for link in links if link.record["kind"] != "filed"]
    for link in told:
        one = link.record
        if one["kind"] in _CONTENT:
            stale += [role for role in signed if role not in stale]
            signed = {}
        match one["kind"]:
            case "declared":
                fields[one["field"]] = one
            case "limit":
                limits.append(one)
            case "action":
                actions[canonical_json(one["about"])] = one
            case "input":
                inputs[one["input"]] = one
            case "attested":
                signed[one["role"]] = one
                stale = [role for role in stale if role != one["role"]]
            case "finalised":
                final = one
            case "superseded":
                earlier.append(_superseded(edition, final, one))
                edition, final, signed, stale = edition + 1, None, {}, []
    return SignOff(
        edition=edition,
        fields=fields,
        limits=tuple(limits),
        actions=tuple(actions.values()),
        inputs=inputs,
        reviews=_latest(told, "reviews"),
        attestations={role: signed[role] for role in ROLES if role in signed},
        stale=tuple(stale),
        final=final,
        earlier=tuple(earlier),
        head=told[-1].sha256 if told else None,
        records=tuple(link.record for link in told),
    )


def _latest(told: Sequence[Link], kind: str) -> Record | None:
    return next((link.record for link in reversed(told) if link.record["kind"] == kind), None)


def _superseded(edition: int, final: Record | None, record: Record) -> Record:
    return {
        "edition": edition,
        "finalised": (final or {}).get("time"),
        "by": record["by"],
        "time": record["time"],
        "reason": record["reason"],
    }
