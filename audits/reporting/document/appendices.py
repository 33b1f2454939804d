"""Appendices A to D: crosswalk, methods, tables in full, glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.charts import verdicts_of
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
from audits.reporting.document.causes import mitigation
from audits.reporting.document.findings import output_label
from audits.reporting.document.results import (
    COMPARISON_COLUMNS,
    comparison_row,
    group_columns,
    group_row,
    measures,
)
from audits.reporting.document.tables import cells
from audits.reporting.naming import own_item, own_place
from audits.reporting.requirements import profiles
from audits.reporting.sections import section
from audits.reporting.words import glossary, humanised, minus, number, p_text, unit_of, word

Evidence = Mapping[str, Any]
SYMBOLS = (
    "TP, FP, TN and FN count cases by call and condition: flagged with it, flagged without it, "
    "unflagged without it and unflagged with it. n: cases; y: 1 with the condition, else 0; p: "
    "predicted risk; t: threshold; logit(p): log of p/(1 − p), also called log-odds."
)
_NARROW = 22
"""Letters that fit a narrow column; the element names of a schema cannot be broken."""
GLOSSARY_SECTIONS = ("verdict", "strength", "term", "state")


def crosswalk(evidence: Evidence) -> Iterator[Block]:
    """Yield appendix A: every requirement with its section and its state."""
    yield Text(
        text="“Computed”, “declared” and “attested” say that there is evidence, never that a "
        "requirement is met. A star marks a short name that was not checked against the source.",
        style="note",
    )
    items = evidence["requirements"]
    for profile in profiles():
        mine = [item for item in items if item.get("profile") == profile.id]
        if not mine:
            continue
        yield Heading(text=profile.name)
        yield Text(
            text=f"{profile.citation}. {mine[0]['status']}. Effective {mine[0]['effective']}; "
            f"checked on {mine[0]['checked_on']}. {profile.note}",
            style="small",
        )
        yield Grid(
            caption=f"{profile.name}: evidence",
            columns=(
                Column(label="Item", share=1.5 if _short(mine) else 2.6),
                Column(label="What it asks for", share=2.4),
                Column(label="Section", share=0.7),
                Column(label="State", share=1),
                Column(label="Where, or why not", share=2.4),
            ),
            rows=tuple(_item(item) for item in mine),
        )
    own = [item for item in items if not item.get("profile")]
    if own:
        yield Heading(text="What the policy and the model cards owe")
        yield Grid(
            caption="Required groups, reasons of margins and fields of cards",
            columns=(
                Column(label="Item", share=2),
                Column(label="State"),
                Column(label="Where, or why not", share=3),
            ),
            rows=tuple(
                cells(own_item(item["id"]), word("state", item["state"]), own_place(item))
                for item in own
            ),
        )


def _short(items: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether no word of a citation is wider than a narrow column."""
    parts = (part for item in items for part in re.split(r"[ /]", item["citation"]))
    return max(map(len, parts)) <= _NARROW


def _item(item: Mapping[str, Any]) -> Row:
    star = "" if item.get("verified", True) else " *"
    missing = item["state"] == "not_available"
    number_ = section(item["section"]).number
    citation = item["citation"].removeprefix("AppliedModelCard/").replace("/", " / ")
    return Row(
        cells=(
            Cell(text=citation),
            Cell(text=item["name"] + star),
            Cell(text="cover" if number_ == "0" else number_),
            Cell(text=word("state", item["state"]), tone="muted" if missing else "strong"),
            Cell(text=item["reason"], tone="muted" if missing else ""),
        )
    )


def methods(evidence: Evidence) -> Iterator[Block]:
    """Yield appendix B: statistics, formulas, settings and versions."""
    for name, entry in glossary().get("statistic", {}).items():
        if name != "maps" or evidence["explanations"]:
            yield Heading(text=entry["label"])
            yield Text(text=f"{entry['definition']} Source: {entry['reference']}.")
    yield Heading(text="Measures")
    there = {m for o in evidence["outputs"] for m in o["overall"]["metrics"]}
    yield Grid(
        caption="Measures and their formulas",
        columns=(
            Column(label="Measure", share=1.3),
            Column(label="What it says", share=2.6),
            Column(label="Formula", share=1.9),
        ),
        rows=tuple(
            cells(entry["label"], entry["definition"], minus(entry.get("formula", "–")))
            for name, entry in glossary().get("metric", {}).items()
            if name in there
        ),
    )
    yield Text(text=SYMBOLS, style="small")
    yield Heading(text="Settings")
    yield Facts(facts=tuple(_settings(evidence)))
    yield Heading(text="Versions")
    versions = sorted(evidence["run"].get("versions", {}).items())
    yield Text(text="; ".join(f"{name} {version}" for name, version in versions) + ".")


def _settings(evidence: Evidence) -> Iterator[Fact]:
    run, audit = evidence["run"], evidence["policy"].get("audit", {})
    yield Fact(label="Seed", value=str(run.get("seed")))
    yield Fact(label="Device", value=str(run.get("device")))
    yield Fact(label="Level of the tests", value=f"{audit.get('alpha', 0):g}")
    groups = audit.get("groups") or []
    yield Fact(label="Groups declared", value=", ".join(map(humanised, groups)) or "none")
    crossed = [" × ".join(map(humanised, pair)) for pair in audit.get("intersections") or []]
    yield Fact(label="Intersections declared", value="; ".join(crossed) or "none")
    for name, label in (
        ("min_effective_n", "Fewest effective cases of a denominator"),
        ("min_effective_per_class", "Fewest effective cases of a class (AUROC)"),
    ):
        if audit.get(name) is not None:
            yield Fact(label=label, value=f"{audit[name]:g}")
    yield Fact(label="Internal files, sha256", value=str(run.get("internal_sha256")), code=True)


def tables(evidence: Evidence) -> Iterator[Block]:
    """Yield appendix C: intersections and every declared comparison."""
    yield Text(
        text="All measures of all groups, with numerators, denominators, design effects and "
        "methods, are attached as groups.csv and comparisons.csv.",
        style="small",
    )
    for output in evidence["outputs"]:
        yield Heading(text=output_label(output))
        shown = measures(evidence, [output])
        verdicts = verdicts_of(output)
        crossed = [g for g in output["groups"] if len(g["attributes"]) > 1]
        if crossed:
            yield Grid(
                caption=f"{output_label(output)}: intersections",
                columns=group_columns(shown),
                rows=tuple(group_row(g, shown, verdicts) for g in crossed),
            )
        compared = [c for c in output["comparisons"] if c.get("declared", True)]
        if compared:
            yield Grid(
                caption=f"{output_label(output)}: every declared comparison",
                columns=COMPARISON_COLUMNS,
                rows=tuple(comparison_row(c) for c in compared),
            )
        else:
            yield Missing(text="No comparison was declared.")
        yield from _largest_gaps(output, shown)
        yield from mitigation([output])


def _largest_gaps(output: Mapping[str, Any], shown: Sequence[str]) -> Iterator[Block]:
    """Yield the widest gap of each attribute beside what a fair model of this sample shows."""
    gaps = [g for g in output.get("max_min_gap") or () if g["metric"] in shown]
    if not gaps:
        return
    yield Grid(
        caption=f"{output_label(output)}: largest minus smallest value over the groups of an "
        "attribute, beside what a fair model shows by chance in a sample like this",
        columns=(
            Column(label="Attribute", share=1.6),
            Column(label="Measure", share=1.4),
            Column(label="Gap", align="right"),
            Column(label="Fair model, median", align="right", share=1.3),
            Column(label="Fair model, 95 %", align="right", share=1.3),
            Column(label="p", align="right", share=0.7),
        ),
        rows=tuple(
            cells(
                " × ".join(map(humanised, str(g["attribute"]).split("×"))),
                word("metric", g["metric"]),
                *(_gap_text(g.get(n), g["metric"]) for n in ("gap", "fair_median", "fair_95")),
                p_text(g.get("p")),
            )
            for g in gaps
        ),
    )


def _gap_text(value: float | None, metric: str) -> str:
    """Return the size of a gap: points for rates."""
    if value is None or unit_of(metric) != "percent":
        return number(value, unit_of(metric))
    return f"{100 * value:.1f} points"


def terms(evidence: Evidence) -> Iterator[Block]:  # noqa: ARG001 - one signature
    """Yield appendix D."""
    facts = [
        Fact(label=label if len(label) == 1 else humanised(label), value=definition)
        for label, definition in _defined().items()
    ]
    yield Facts(facts=tuple(facts))


def _defined() -> dict[str, str]:
    """Return the words of the glossary, each once: that of a verdict before that of a page."""
    found: dict[str, str] = {}
    for name in GLOSSARY_SECTIONS:
        for entry in glossary().get(name, {}).values():
            found.setdefault(str(entry["label"]), str(entry["definition"]))
    return found
