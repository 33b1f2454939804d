"""Requirements of law and guidance as data, and what of them a run has evidence for.

An audit gives evidence for a requirement; whether it is met is for people to decide.
"""

from __future__ import annotations

from audits.reporting.requirements.assess import assess_requirements, undeclared_fields
from audits.reporting.requirements.cards import card_field, declared_field
from audits.reporting.requirements.catalogue import Item, Profile, profiles

__all__ = [
    "Item",
    "Profile",
    "assess_requirements",
    "card_field",
    "declared_field",
    "profiles",
    "undeclared_fields",
]
