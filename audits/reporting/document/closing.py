"""Sections 12, 14, 16 and 17: risks, monitoring, limitations, attestations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Column,
    Grid,
    Heading,
    Text,
)
from audits.reporting.document.model_parts import declared
from audits.reporting.document.robustness import UNTESTED
from audits.reporting.document.signed import (
    later_limits,
    mitigation_record,
    register,
    signatures,
)
from audits.reporting.document.tables import cells
from audits.reporting.naming import own_item, place_text
from audits.reporting.requirements import card_field, profiles, undeclared_fields
from audits.reporting.sections import section
from audits.reporting.words import (
    day,
    glossary,
)

Evidence = Mapping[str, Any]


def risks(evidence: Evidence) -> Iterator[Block]:
    """Yield section 12: every disparity as a risk, who acts on it, and what was done."""
    yield from register(evidence)
    yield from mitigation_record(evidence)
    if any((o.get("mitigation") or {}).get("attributes") for o in evidence["outputs"]):
        yield Text(
            text="What other decision rules would change is previewed in appendix C; nothing of "
            "it is applied."
        )
    yield from declared(evidence, ("bias_mitigation", "fairness_approach", "risk_management"))


def monitoring(evidence: Evidence) -> Iterator[Block]:
    """Yield section 14: what is declared, and the history of runs."""
    yield from declared(
        evidence,
        ("monitoring_plan", "validity_monitoring", "fairness_monitoring", "update_process"),
    )
    earlier = evidence["prior_runs"]
    if not earlier:
        yield Text(text="This store knows no earlier audit of these data or models.")
        return
    now = evidence["declaration"]["policy_sha256"]
    yield Grid(
        caption="Earlier audits of these data or models in this store",
        columns=(Column(label="Time"), Column(label="Run", share=1.6), Column(label="Policy")),
        rows=tuple(
            cells(
                day(run.get("time")),
                str(run.get("run")),
                "the same" if run.get("policy_sha256") == now else "another policy",
            )
            for run in earlier
        ),
    )


def limitations(evidence: Evidence) -> Iterator[Block]:
    """Yield section 16: fixed limits, declared limits, findings and all that is missing."""
    for name, entry in glossary().get("limit", {}).items():
        if name != "display":
            yield Text(text=entry["text"])
    yield Heading(text="Limits that the model's maker declares")
    yield from declared(evidence, ("limitations", "out_of_scope"))
    findings = evidence.get("findings") or []
    if findings:
        yield Heading(text="Findings of this run")
        yield Grid(
            caption="What a reader of this run must know",
            columns=(Column(label="Where"), Column(label="Finding", share=3)),
            rows=tuple(cells(place_text(str(f["where"])), str(f["message"])) for f in findings),
        )
    yield Heading(text="What is not available")
    yield from _not_available(evidence)


def _not_available(evidence: Evidence) -> Iterator[Block]:
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for item in evidence["requirements"]:
        if item["state"] != "not_available":
            continue
        reason, fields = undeclared_fields(item["reason"])
        if reason:
            by_reason.setdefault(reason, []).append(item)
        for name in fields:
            by_field.setdefault(name, []).append(item)
    rows = [cells(reason, cited(items)) for reason, items in by_reason.items()]
    yield Grid(
        caption="What is missing, why, and what asks for it",
        columns=(Column(label="Reason", share=1.4), Column(label="Asked for by", share=2)),
        rows=(*rows, cells(UNTESTED, f"This report, section {section('robustness').number}")),
    )
    if by_field:
        yield Grid(
            caption="What no model card declares (under [card] in model.toml) and nobody has "
            "declared at sign-off, and what asks for it",
            columns=(
                Column(label="Field", share=1.3),
                Column(label="Name in the card", share=1.1),
                Column(label="Asked for by", share=2.4),
            ),
            rows=tuple(
                cells(card_field(name).label, name, cited(items))
                for name, items in by_field.items()
            ),
        )


def cited(items: Sequence[Mapping[str, Any]]) -> str:
    """Return requirements as people cite them: each guideline once, with its numbers."""
    names = {profile.id: profile.short for profile in profiles()}
    found: dict[str, list[str]] = {}
    for item in items:
        name = names.get(str(item.get("profile")))
        number = str(item["citation"]) if name else own_item(str(item["id"]))
        number = number.removeprefix("Item ").rpartition("/")[2] if name == "CHAI" else number
        found.setdefault(name or "The policy", []).append(number.removeprefix("Item "))
    return "; ".join(
        f"{name}{': ' if name == 'The policy' else ' '}{', '.join(numbers)}"
        for name, numbers in found.items()
    )


def attestations(evidence: Evidence) -> Iterator[Block]:
    """Yield section 17: who signed, and what was declared only after the run."""
    yield from signatures(evidence)
    yield from later_limits(evidence)
    yield Text(
        text=f"Limits that were declared after {day(evidence['declaration']['time'])} are "
        "exploratory and carry no verdict.",
        style="small",
    )
