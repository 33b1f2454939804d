"""What a card declares for a requirement, printed in the section that the crosswalk names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import Block, Facts, Heading
from audits.reporting.document.model_parts import declared
from audits.reporting.document.signed import signoff_of
from audits.reporting.requirements import card_field, declared_field, profiles

Evidence = Mapping[str, Any]


def also_declared(evidence: Evidence, section: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the declared fields that requirements seek in a section and it does not print yet.

    Args:
        evidence: ``evidence.json`` with what people signed.
        section: Id of the section.
        blocks: What the section says already.
    """
    chosen = {item["id"] for item in evidence["requirements"]}
    asked = dict.fromkeys(
        name
        for profile in profiles()
        for item in profile.items
        if item.section == section and item.id in chosen
        for name in item.declared
    )
    printed = {f.label for block in blocks if isinstance(block, Facts) for f in block.facts}
    names = [n for n in asked if card_field(n).label not in printed and _is_said(n, evidence)]
    if names:
        yield Heading(text="Also declared")
        yield from declared(evidence, names)


def _is_said(name: str, evidence: Evidence) -> bool:
    later = signoff_of(evidence).fields
    return name in later or any(declared_field(model, name) for model in evidence["models"])
