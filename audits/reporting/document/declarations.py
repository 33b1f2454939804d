"""What a card declares for a requirement, printed in the section that the crosswalk names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import Block, Fact, Facts, Heading
from audits.reporting.document.model_parts import model_name, own_fields
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
        yield Facts(facts=tuple(_facts(names, evidence)))


def _facts(names: Sequence[str], evidence: Evidence) -> Iterator[Fact]:
    """Yield each field once where all models say the same, else once for each text."""
    own = dict(own_fields(evidence, names))
    for name in names:
        label = card_field(name).label
        if name in own:
            yield Fact(label=label, value=own[name])
            continue
        said: dict[str, list[str]] = {}
        for model in evidence["models"]:
            text = declared_field(model, name)
            if text:
                said.setdefault(text, []).append(model_name(model))
        for text, models in said.items():
            whose = "" if len(models) == len(evidence["models"]) else f" ({', '.join(models)})"
            yield Fact(label=label, value=text + whose)


def _is_said(name: str, evidence: Evidence) -> bool:
    later = signoff_of(evidence).fields
    return name in later or any(declared_field(model, name) for model in evidence["models"])
