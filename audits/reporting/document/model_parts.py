"""Sections 2 to 5: intended use, inputs, data, model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    Facts,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.data_quality import population, quality_details
from audits.reporting.document.signed import signoff_of
from audits.reporting.document.tables import cells
from audits.reporting.naming import variable_labels
from audits.reporting.requirements import card_field, declared_field
from audits.reporting.words import (
    MISSING,
    SUPPRESSED,
    count,
    day,
    estimate_text,
    group_label,
    humanised,
    model_key,
    model_label,
    number,
    word,
)

Evidence = Mapping[str, Any]

USE = (
    *("intended_use", "intended_users", "population", "outcome", "decision_role", "directions"),
    *("out_of_scope", "developer", "contact", "funding", "regulatory_status"),
)
DATA = (
    *("training_data", "training_label", "inclusion_criteria", "data_source", "data_dates"),
    *("external_source", "external_party"),
)
MODEL = ("architecture", "development", "design_choices", "class_imbalance")


def model_name(model: Mapping[str, Any]) -> str:
    """Return ``id@version`` in words."""
    return model_label(model_key(model))


def declared(evidence: Evidence, names: Sequence[str]) -> Iterator[Block]:
    """Yield what model cards and people at sign-off declare, and one line on what they do not."""
    later = signoff_of(evidence).fields
    silent: dict[str, list[str]] = {}
    several = len(evidence["models"]) > 1
    own = dict(own_fields(evidence, names))
    if own:
        yield Facts(facts=tuple(Fact(label=card_field(n).label, value=t) for n, t in own.items()))
    for model in evidence["models"]:
        found = [(n, t) for n in names if n not in own and (t := declared_field(model, n))]
        if found:
            if several:
                yield Heading(text=model_name(model))
            facts = [Fact(label=card_field(name).label, value=text) for name, text in found]
            yield Facts(facts=tuple(facts))
        known = {*dict(found), *own, *(n for n in names if n in later)}
        absent = ", ".join(card_field(n).label.lower() for n in names if n not in known)
        silent.setdefault(absent, []).append(model_name(model))
    if not evidence["models"] and len(own) < len(names):
        yield Missing(text="No model was handed over, so no model card declares anything.")
    for absent, models in silent.items():
        if absent:
            whose = "The card of " + " and ".join(models) if several else "The model card"
            yield Missing(text=f"{whose} does not declare: {absent}.")


def own_fields(evidence: Evidence, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the fields that were declared at sign-off, saying who did so after the run.

    Args:
        evidence: ``evidence.json`` with what people signed.
        names: Fields of a card.
    """
    for name in names:
        said = signoff_of(evidence).fields.get(name)
        if said:
            text = said["text"] or f"Not available: {said['reason']}"
            yield name, f"{text} ({said['by']}, {day(said['time'])}, after the run)"


def use(evidence: Evidence) -> Iterator[Block]:
    """Yield section 2: declared fields and the threshold with who set it."""
    yield from declared(evidence, USE)
    rows = []
    for output in evidence["outputs"]:
        threshold = output.get("threshold") or {}
        value = threshold.get("value")
        chosen = threshold.get("chosen_on")
        rows.append(
            cells(
                *(model_label(output.get("model")), humanised(output["name"])),
                MISSING if value is None else f"{value:.4g}",
                threshold.get("source") or MISSING if value is not None else MISSING,
                f"data {chosen[:12]}…" if chosen else MISSING,
            )
        )
    yield Grid(
        caption="Thresholds: a case is called positive from this predicted risk on",
        columns=(
            Column(label="Model", share=1.3),
            Column(label="Output", share=1.5),
            Column(label="Threshold", align="right"),
            Column(label="Set by"),
            Column(label="Chosen on", share=1.3),
        ),
        rows=tuple(rows),
    )


def data(evidence: Evidence) -> Iterator[Block]:
    """Yield section 4: who is in the data, what is missing, who was left out."""
    study = evidence["study"]
    facts = [
        Fact(label=humanised(name), value=str(study[name]))
        for name in ("description", "licence", "split")
        if study.get(name)
    ]
    if facts:
        yield Facts(facts=tuple(facts))
    yield from declared(evidence, DATA)
    yield from _demographics(evidence)
    yield from _quality(evidence["data_quality"])
    yield from quality_details(evidence["data_quality"])
    yield from population(evidence["outputs"])
    yield from _skipped(evidence["skipped"])


def _demographics(evidence: Evidence) -> Iterator[Block]:
    """Yield the size and prevalence of each marginal group, from the first output that has it."""
    if not any(o["groups"] for o in evidence["outputs"]):
        yield Missing(text="The data declare no group.")
        return
    output = max(evidence["outputs"], key=lambda o: o["overall"].get("n") or 0)
    rates = any("prevalence" in g["metrics"] for g in output["groups"])
    prevalence = Column(label="Prevalence (95 % interval)", align="right", share=1.8)
    shown = [prevalence] if rates else []
    rows, before = [], ""
    for group in output["groups"]:
        if len(group["attributes"]) != 1:
            continue
        ((name, level),) = group["attributes"].items()
        if name != before:
            rows.append(Row(cells=(Cell(text=humanised(name)),), heading=True))
            before = name
        counts = [_shown(group, n) for n in ("n", "patients", "positives")]
        rate = [estimate_text(group["metrics"].get("prevalence"), "percent")] if rates else []
        rows.append(cells(group_label({name: level}).partition(": ")[2], *counts, *rate))
    yield Grid(
        caption=f"Who is in the data: cases with a label for {humanised(output['name'])}",
        columns=(
            Column(label="Group", share=1.6),
            Column(label="Cases", align="right"),
            Column(label="Patients", align="right"),
            Column(label="With the condition", align="right"),
            *shown,
        ),
        rows=tuple(rows),
    )


def _shown(group: Mapping[str, Any], name: str) -> str:
    return count(group.get(name), suppressed=bool(group.get("suppressed")))


def _quality(quality: Mapping[str, Any]) -> Iterator[Block]:
    missing = [m for m in quality.get("missing", ()) if m.get("missing") or m.get("suppressed")]
    if missing:
        labels = variable_labels(quality)
        yield Grid(
            caption="Missing values (columns without any are not listed)",
            columns=(
                Column(label="Column", share=2),
                Column(label="Missing", align="right"),
                Column(label="Of", align="right"),
                Column(label="Share", align="right"),
            ),
            rows=tuple(
                cells(
                    labels.get(m["variable"], humanised(str(m["variable"]))),
                    count(m.get("missing"), suppressed=True),
                    count(m.get("n"), suppressed=True),
                    SUPPRESSED if m.get("share") is None else number(m["share"], "percent"),
                )
                for m in missing
            ),
        )
    elif quality.get("missing"):
        yield Text(text="No column has a missing value.")
    shared = quality.get("shared_patients") or []
    if shared:
        rows = tuple(
            cells(" and ".join(s["splits"]), count(s.get("patients"), suppressed=True))
            for s in shared
        )
        yield Grid(
            caption="Patients that two partitions share",
            columns=(Column(label="Partitions"), Column(label="Patients", align="right")),
            rows=rows,
        )
    odd = [i for i in quality.get("implausible", ()) if i.get("k") or i.get("suppressed")]
    for one in odd:
        n, k = (count(one.get(x), suppressed=True) for x in ("n", "k"))
        yield Text(text=f"Implausible values of {one['variable']}: {k} of {n}.")


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    if not skipped:
        yield Text(text="Every case could be used.")
        return
    if skipped[0].get("case") is None:
        n = count(skipped[0].get("n"), suppressed=True)
        yield Text(text=f"Skipped cases: {n}. {skipped[0]['reason']}")
        return
    yield Text(text=f"{count(len(skipped))} cases could not be used; skipped.csv names them.")


def model(evidence: Evidence) -> Iterator[Block]:
    """Yield section 5: what each model is."""
    for one in evidence["models"]:
        yield Heading(text=model_name(one))
        facts = [
            Fact(label="Format", value=str(one.get("format"))),
            Fact(label="Task", value=str(one.get("task"))),
            Fact(label="Scores are given as", value=str(one.get("space"))),
            Fact(label="Outputs", value=", ".join(map(humanised, one.get("outputs", ())))),
            Fact(label="Weights, sha256", value=str(one.get("weights_sha256")), code=True),
            Fact(label="Manifest, sha256", value=str(one.get("manifest_sha256")), code=True),
        ]
        yield Facts(facts=tuple(facts))
    if evidence["models"]:
        yield from declared(evidence, MODEL)
    else:
        yield Missing(text="No model was handed over, only its scores.")
        names = ", ".join(humanised(o["name"]) for o in evidence["outputs"])
        task = word("task", next((o.get("task") for o in evidence["outputs"]), None))
        yield Facts(facts=(Fact(label="Scores", value=names), Fact(label="Task", value=task)))
