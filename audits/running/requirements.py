"""What the policy and the model cards owe a reader, and whether it is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from audits.policy import Policy
from audits.reporting import Requirement
from audits.reporting.requirements import declared_field
from audits.reporting.requirements.cards import card_fields, field_name
from model_adapters.base import ModelCard

CARD_FIELDS = (
    "developer",
    "intended_use",
    "intended_users",
    "out_of_scope",
    "training_data",
    "limitations",
)


def requirements_of(
    policy: Policy, audited: Collection[str], cards: Sequence[ModelCard]
) -> tuple[Requirement, ...]:
    """Return the state of each required group, each margin's reason and each card field.

    Args:
        policy: The policy of the run.
        audited: Names of the attributes that were audited.
        cards: Cards of the models.
    """
    return (*_groups(policy, audited), *_margins(policy), *_cards(cards))


def _groups(policy: Policy, audited: Collection[str]) -> Iterator[Requirement]:
    for name in policy.required_groups:
        if name in audited:
            yield Requirement(id=f"group.{name}", state="computed", reason="See outputs.")
        else:
            reason = f"The data declares no group {name!r}, so it could not be audited."
            yield Requirement(id=f"group.{name}", state="not_available", reason=reason)


def _margins(policy: Policy) -> Iterator[Requirement]:
    for metric in policy.verdict_metrics:
        name = f"margin.{metric}"
        reason = policy.reasons.get(name, "").strip()
        if reason:
            yield Requirement(id=f"reason.{name}", state="declared", reason=reason)
        else:
            missing = "The policy gives no reason for this margin."
            yield Requirement(id=f"reason.{name}", state="not_available", reason=missing)


def _cards(cards: Sequence[ModelCard]) -> Iterator[Requirement]:
    """Yield the fields of each card under the names that reports use for them."""
    for card in cards:
        said = {"card": card.declared}
        for field in dict.fromkeys((*CARD_FIELDS, *map(field_name, sorted(card.declared)))):
            name = f"card.{card.key}.{field}"
            known = field in card_fields()
            text = declared_field(said, field) if known else card.declared[field].strip()
            if text:
                yield Requirement(id=name, state="declared", reason="See models.")
            else:
                missing = "The model's card does not declare it."
                yield Requirement(id=name, state="not_available", reason=missing)
