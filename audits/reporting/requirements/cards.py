"""Fields that a model's card may declare, under the names that cards use for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from audits.reporting.requirements.catalogue import read_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class CardField:
    """One field of a card.

    Attributes:
        name: Key under ``[card]`` in ``model.toml``.
        label: What people read.
        names: ``name`` and the other keys that are taken for it.
    """

    name: str
    label: str
    names: tuple[str, ...]


@cache
def card_fields() -> Mapping[str, CardField]:
    """Return every known field by name, in the order of a card."""
    return {
        name: CardField(name=name, label=entry["label"], names=(name, *entry.get("aliases", ())))
        for name, entry in read_toml("card_fields.toml").items()
    }


def card_field(name: str) -> CardField:
    """Return a known field.

    Raises:
        KeyError: The catalogue names a field that ``card_fields.toml`` does not hold.
    """
    return card_fields()[name]


def field_name(key: str) -> str:
    """Return the known field that a key of a card stands for, else the key itself.

    Example:
        >>> field_name("known_limits"), field_name("colour")
        ('limitations', 'colour')
    """
    return next((one.name for one in card_fields().values() if key in one.names), key)


def declared_field(model: Mapping[str, Any], name: str) -> str | None:
    """Return what a model of ``evidence.json`` declares for a field, or None.

    Args:
        model: An entry of ``models``.
        name: Name of the field; its aliases are taken too.
    """
    card = model.get("card") or {}
    for key in card_field(name).names:
        text = str(card.get(key) or "").strip()
        if text:
            return text
    return None
