"""The catalogue of requirements, read from the TOML files beside this module."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = (
    "section1557",
    "hti1",
    "eu_ai_act",
    "canada",
    "hipaa",
    "tripod_ai",
    "stard_ai",
    "claim2024",
    "chai",
)
"""The profiles in the order of a report: law first, then guidance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a law or guideline asks for.

    Attributes:
        id: Unique over all profiles, ``<profile>.<number>``.
        citation: Where the profile asks for it.
        name: Short name; the wording stands in the source.
        section: Id of the report's section that holds the evidence.
        computed: Facts of a run that together are the evidence.
        declared: Fields of a model's card that together declare it.
        attested: Roles whose signatures together attest it, whatever else is known.
        verified: Whether the short name was checked against the source.
    """

    id: str
    citation: str
    name: str
    section: str
    computed: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A law or guideline.

    Attributes:
        id: Name of its file.
        name: What people call it.
        short: The same in a list.
        citation: Where it stands.
        status: Whether it is in force, proposed or voluntary.
        effective: ISO date (or month or year) from which it applies or was published.
        checked_on: ISO date on which status and citations were last checked.
        note: What a reader must know about this list.
        items: What it asks for.
    """

    id: str
    name: str
    short: str
    citation: str
    status: str
    effective: str
    checked_on: str
    note: str
    items: tuple[Item, ...] = field(default=())


@cache
def profiles() -> tuple[Profile, ...]:
    """Return every profile, law first."""
    return tuple(_profile(name) for name in NAMES)


def _profile(name: str) -> Profile:
    raw = read_toml(f"{name}.toml")
    head = dict(raw["profile"])
    verified = bool(head.pop("verified"))
    items = tuple(_item(name, entry, verified=verified) for entry in raw["item"])
    return Profile(**head, items=items)


def _item(profile: str, raw: dict[str, Any], *, verified: bool) -> Item:
    return Item(
        id=f"{profile}.{raw['id']}",
        citation=raw["citation"],
        name=raw["name"],
        section=raw["section"],
        computed=tuple(raw.get("computed", ())),
        declared=tuple(raw.get("declared", ())),
        attested=tuple(raw.get("attested", ())),
        verified=raw.get("verified", verified),
    )


def read_toml(name: str) -> dict[str, Any]:
    """Return one of the data files of this package."""
    source = files("audits.reporting.requirements").joinpath(name)
    return tomllib.loads(source.read_text(encoding="utf-8"))
