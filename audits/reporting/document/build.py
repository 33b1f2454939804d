"""From ``evidence.json`` to the report's blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from audits.reporting.document import (
    appendices,
    closing,
    explained,
    front,
    inventory,
    model_parts,
    results,
    validity,
)
from audits.reporting.document.blocks import Block, Document, Section
from audits.reporting.document.declarations import also_declared
from audits.reporting.document.oversight import oversight
from audits.reporting.document.privacy import privacy
from audits.reporting.document.robustness import robustness
from audits.reporting.order import in_order
from audits.reporting.sections import SECTIONS
from audits.reporting.signoff.filing import DRAFT, Filing, with_signoff
from audits.reporting.words import model_key, model_label
from audits.storage.canonical import sha256_of

Evidence = Mapping[str, Any]

_BLOCKS: Mapping[str, Callable[[Evidence], Iterator[Block]]] = MappingProxyType(
    {
        "executive": front.executive,
        "use": model_parts.use,
        "inputs": inventory.inputs,
        "data": model_parts.data,
        "model": model_parts.model,
        "overall": results.overall,
        "subgroups": results.subgroups,
        "errors": validity.errors,
        "explanations": explained.explanations,
        "robustness": robustness,
        "versions": validity.versions,
        "risks": closing.risks,
        "oversight": oversight,
        "monitoring": closing.monitoring,
        "privacy": privacy,
        "limitations": closing.limitations,
        "attestations": closing.attestations,
        "crosswalk": appendices.crosswalk,
        "methods": appendices.methods,
        "tables": appendices.tables,
        "glossary": appendices.terms,
    }
)


def build_document(evidence: Evidence, filing: Filing = DRAFT) -> Document:
    """Return the report of a run; every number in it stands in the evidence.

    Args:
        evidence: ``evidence.json`` at any release. What is masked there is said to be
            suppressed; nothing is computed anew.
        filing: What people signed of the run, and which profiles the report answers.
    """
    evidence = in_order(evidence)
    digest = sha256_of(evidence)
    evidence = with_signoff(evidence, filing)
    cited = _evidence_for(evidence)
    return Document(
        title="Model bias and explainability audit",
        subtitle=_subtitle(evidence),
        run=evidence["run"]["id"],
        created=evidence["run"]["created"],
        release=evidence["release"],
        evidence_sha256=digest,
        cover=front.cover_facts(evidence, digest),
        stance=front.STANCE,
        sections=tuple(
            Section(
                id=one.id,
                number=one.number,
                title=one.title,
                question=one.question,
                evidence_for=cited.get(one.id, ""),
                blocks=_blocks(one.id, evidence),
            )
            for one in SECTIONS
            if one.id in _BLOCKS
        ),
    )


def _blocks(section: str, evidence: Evidence) -> tuple[Block, ...]:
    found = tuple(_BLOCKS[section](evidence))
    return (*found, *also_declared(evidence, section, found))


def _subtitle(evidence: Evidence) -> str:
    models = [model_label(model_key(m)) for m in evidence["models"]]
    return f"{' and '.join(models) or 'A table of scores'} on {evidence['study']['name']}"


def _evidence_for(evidence: Evidence) -> dict[str, str]:
    """Return, for each section, the requirements that find evidence there."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for item in evidence["requirements"]:
        if item.get("profile") and item["state"] != "not_available":
            found.setdefault(item["section"], []).append(item)
    return {name: closing.cited(items) for name, items in found.items()}
