"""What lies behind the gaps: slices, adjusted gaps and previews of mitigation, all exploratory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import Block, Cell, Column, Grid, Missing, Row, Text
from audits.reporting.document.findings import disparities, output_label
from audits.reporting.document.tables import cells, difference_cell, estimate_cell
from audits.reporting.naming import condition_text
from audits.reporting.words import (
    count,
    group_label,
    humanised,
    p_text,
    word,
)

Output = Mapping[str, Any]
SHOWN_SLICES = 8


def slices(outputs: Sequence[Output], labels: Mapping[str, str]) -> Iterator[Block]:
    """Yield the worst slices of each output, sought on one half and tested on the other.

    Args:
        outputs: Of the evidence.
        labels: The study's own labels of its variables.
    """
    for output in outputs:
        found = output.get("slices")
        if found is None:
            yield Missing(text=f"{output_label(output)}: the worst slices were not searched.")
        elif found.get("state") == "not_available":
            yield Missing(text=f"{output_label(output)}, slices: {found.get('reason')}")
        else:
            yield from _slice_grid(output, found, labels)
    notes = dict.fromkeys(str((o.get("slices") or {}).get("note") or "") for o in outputs)
    yield from (Text(text=note, style="small") for note in notes if note)


def _slice_grid(
    output: Output, found: Mapping[str, Any], labels: Mapping[str, str]
) -> Iterator[Block]:
    flagged = [one for one in found.get("slices", ()) if one.get("flagged")]
    if not flagged:
        yield Text(text=f"{output_label(output)}: no slice stands out.")
        return
    yield Grid(
        caption=f"{output_label(output)}: slices that stand out (exploratory, no verdict)",
        columns=(
            Column(label="Slice", share=3),
            Column(label="Measure", share=1.2),
            Column(label="Cases", align="right", share=0.8),
            Column(label="In the slice", align="right", share=1.2),
            Column(label="Elsewhere", align="right", share=1.2),
            Column(label="Difference", align="right", share=1.4),
            Column(label="Adjusted p", align="right", share=0.9),
        ),
        rows=tuple(_slice_row(one, labels) for one in flagged[:SHOWN_SLICES]),
    )
    if len(flagged) > SHOWN_SLICES:
        yield Text(text="The largest are shown; evidence.json holds the others.", style="small")


def _slice_row(one: Mapping[str, Any], labels: Mapping[str, str]) -> Row:
    metric = one["metric"]
    return Row(
        cells=(
            Cell(text=" and ".join(condition_text(c, labels) for c in one["conditions"])),
            Cell(text=humanised(word("metric", metric))),
            Cell(text=count((one.get("slice") or {}).get("n"), suppressed=True)),
            estimate_cell(one.get("slice"), metric),
            estimate_cell(one.get("rest"), metric),
            difference_cell(one.get("difference"), metric),
            Cell(text=p_text(one.get("p"))),
        )
    )


def adjusted_gaps(output: Output) -> Iterator[Block]:
    """Yield, for each disparity of a group, its gap before and after adjusting for case mix."""
    causes = output.get("causes") or {}
    part = causes.get("standardised_gaps") or {}
    wanted = {
        (one["metric"], group_label(one["group"]))
        for _, one in disparities([output])
        if one["tier"] == "marginal"
    }
    gaps = [g for g in part.get("gaps", ()) if (g["metric"], group_label(g["group"])) in wanted]
    if not gaps:
        return
    yield Grid(
        caption=f"{output_label(output)}: disparities before and after adjusting for case mix",
        columns=(
            Column(label="Group", share=1.6),
            Column(label="Measure", share=1.2),
            Column(label="As found", align="right", share=1.4),
            Column(label="Adjusted", align="right", share=1.4),
            Column(label="Adjusted for", share=2.6),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=group_label(g["group"])),
                    Cell(text=word("metric", g["metric"])),
                    difference_cell(g.get("crude"), g["metric"]),
                    difference_cell(g.get("standardised"), g["metric"]),
                    Cell(text=", ".join(map(humanised, g.get("adjusted_for") or ())) or "–"),
                )
            )
            for g in gaps
        ),
    )
    yield Text(text=str(causes.get("note") or ""), style="small")


def mitigation(outputs: Sequence[Output]) -> Iterator[Block]:
    """Yield previews of decision rules for the attributes in which a disparity was found."""
    for output in outputs:
        part = output.get("mitigation") or {}
        apart = {one["attribute"] for _, one in disparities([output])}
        shown = [a for a in part.get("attributes", ()) if a.get("attribute") in apart]
        rows = [row for a in shown for method in a.get("methods", ()) for row in _rule(a, method)]
        if rows:
            yield Grid(
                caption=f"{output_label(output)}: what other decision rules would change (preview)"
                + _halves(part),
                columns=(
                    Column(label="Group", share=1.6),
                    Column(label="Sensitivity", align="right", share=1.2),
                    Column(label="Change", align="right", share=1.4),
                    Column(label="False alarms", align="right", share=1.2),
                    Column(label="Change", align="right", share=1.4),
                ),
                rows=tuple(rows),
            )
            yield Text(text=str(part.get("note") or ""), style="small")


def _halves(part: Mapping[str, Any]) -> str:
    """Say on how many cases rules were fitted and judged, where the release shows it."""
    fitted, judged = ((part.get(side) or {}).get("n") for side in ("fitted_on", "judged_on"))
    if fitted is None or judged is None:
        return ""
    return f"; fitted on {fitted:,} cases, judged on {judged:,} others"


def _rule(attribute: Mapping[str, Any], method: Mapping[str, Any]) -> Iterator[Row]:
    name = f"{humanised(attribute['attribute'])}: {humanised(method['method']).lower()}"
    yield Row(cells=(Cell(text=name),), heading=True)
    for group in method.get("groups", ()):
        metrics = group["metrics"]
        found = [metrics.get(m) or {} for m in ("tpr", "fpr")]
        plain = cells(group_label(group["attributes"]))
        yield Row(
            cells=(
                *plain.cells,
                estimate_cell(found[0].get("after"), "tpr"),
                difference_cell(found[0].get("change"), "tpr"),
                estimate_cell(found[1].get("after"), "fpr"),
                difference_cell(found[1].get("change"), "fpr"),
            )
        )
