"""Measures beside the contract's: alarms during stays, errors in full, a caller's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import Block, Cell, Column, Grid, Missing, Row, Text
from audits.reporting.document.findings import output_label
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.words import count, group_label, word

Output = Mapping[str, Any]
STAYS = (
    *("event_sensitivity", "alarm_ppv", "alarms_per_day"),
    *("false_alarms_per_day", "median_lead_time"),
)

UNITS = {"min": "minutes", "h": "hours", "d": "days"}


def further(output: Output) -> Iterator[Block]:
    """Yield what an output has beside its metrics; all of it is exploratory."""
    parts = {"stays": _stays, "residuals": _residuals, "confusion": _confusion, "custom": _custom}
    for name, part in parts.items():
        section = output.get(name)
        if section is None:
            continue
        if section.get("state") == "computed":
            yield from part(output, section)
        else:
            yield Missing(text=f"{output_label(output)}, {name}: {section.get('reason')}")


def horizon(output: Output) -> Iterator[Block]:
    """Yield the time that a survival output is judged at."""
    at = output.get("horizon")
    if at and at.get("value") is not None:
        unit = f" {at['unit']}" if at.get("unit") else ""
        yield Text(
            text=f"Judged at the horizon {at['value']:.4g}{unit}; cases that left before it count "
            "through the inverse probability of staying."
        )


def _marginal(section: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    groups = [g for g in section["groups"] if len(g["attributes"]) == 1]
    return [section["overall"], *groups]


def _stays(output: Output, section: Mapping[str, Any]) -> Iterator[Block]:
    unit = UNITS[section["unit"]]
    yield Grid(
        caption=f"{output_label(output)}: alarms during a stay (exploratory; an alarm warns of an "
        f"event within {section['window']:g} {unit}, and silences others for "
        f"{section['silence']:g} {unit}; lead time in {unit})",
        columns=(
            Column(label="Group", share=1.6),
            Column(label="Stays", align="right", share=0.8),
            Column(label="Events", align="right", share=0.8),
            *(Column(label=word("metric", m), align="right", share=1.4) for m in STAYS),
        ),
        rows=tuple(
            Row(
                cells=(
                    *cells(group_label(g["attributes"]), count(g["n"]), count(g["events"])).cells,
                    *(estimate_cell(g["metrics"][m], m) for m in STAYS),
                )
            )
            for g in _marginal(section)
        ),
    )


def _residuals(output: Output, section: Mapping[str, Any]) -> Iterator[Block]:
    shares = [q["share"] for q in section["overall"]["quantiles"]]
    yield Grid(
        caption=f"{output_label(output)}: predicted minus true, in the output's unit (limits of "
        "agreement after Bland and Altman, and quantiles)",
        columns=(
            Column(label="Group", share=1.5),
            Column(label="Cases", align="right", share=0.8),
            Column(label="Lower limit", align="right", share=1.3),
            Column(label="Upper limit", align="right", share=1.3),
            *(Column(label=f"{share:.0%}", align="right", share=1.2) for share in shares),
        ),
        rows=tuple(
            Row(
                cells=(
                    *cells(group_label(g["attributes"]), count(g["n"])).cells,
                    estimate_cell(g["limits_of_agreement"]["lower"], "bias"),
                    estimate_cell(g["limits_of_agreement"]["upper"], "bias"),
                    *(estimate_cell(q, "bias") for q in g["quantiles"]),
                )
            )
            for g in _marginal(section)
        ),
    )


def _confusion(output: Output, section: Mapping[str, Any]) -> Iterator[Block]:
    classes, everybody = section["classes"], section["overall"]
    yield Grid(
        caption=f"{output['label']['column']}: classes against classes, everybody; rows are true, "
        "columns predicted (the highest score)",
        columns=(
            Column(label="True class", share=1.5),
            *(Column(label=str(name), align="right") for name in classes),
        ),
        rows=tuple(
            cells(str(true), *(count(k) for k in counts))
            for true, counts in zip(everybody["rows"], everybody["matrix"], strict=True)
        ),
    )
    yield Grid(
        caption="Rightly predicted cases, and the recall of each class (exploratory)",
        columns=(
            Column(label="Group", share=1.5),
            Column(label="Cases", align="right", share=0.8),
            Column(label="Rightly predicted", align="right", share=1.3),
            Column(label="Mean recall", align="right", share=1.3),
            *(Column(label=f"Recall, {name}", align="right", share=1.3) for name in classes),
        ),
        rows=tuple(
            Row(
                cells=(
                    *cells(group_label(g["attributes"]), count(g["n"])).cells,
                    estimate_cell(g["accuracy"], "accuracy"),
                    estimate_cell(g["balanced_accuracy"], "accuracy"),
                    *(estimate_cell(one, "tpr") for one in g["recall"]),
                )
            )
            for g in _marginal(section)
        ),
    )


def _custom(output: Output, section: Mapping[str, Any]) -> Iterator[Block]:
    metrics = section["metrics"]
    names = tuple(m["name"] for m in metrics)
    found: dict[str, list[Cell]] = {}
    for metric in metrics:
        found.setdefault("Everybody", []).append(estimate_cell(metric["overall"], metric["name"]))
        for group in metric["groups"]:
            if len(group["attributes"]) == 1:
                row = found.setdefault(group_label(group["attributes"]), [])
                row.append(estimate_cell(group["estimate"], metric["name"]))
    yield Grid(
        caption=f"{output_label(output)}: metrics that the caller brought (exploratory; intervals "
        f"from {section['replicates']} resamples of patients)",
        columns=(
            Column(label="Group", share=1.6),
            *(Column(label=name, align="right", share=1.3) for name in names),
        ),
        rows=tuple(Row(cells=(Cell(text=name), *row)) for name, row in found.items()),
    )
