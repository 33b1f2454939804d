"""Section 11, in detail: moves between risk bands, and drift of the explanations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.document.blocks import Block, Cell, Column, Grid, Missing, Row, Text
from audits.reporting.document.tables import difference_cell, estimate_cell
from audits.reporting.words import group_label, humanised, is_ratio, p_text, word

SIDES = {"positives": "with the condition", "negatives": "without it"}
_NUMBER = "brier"
"""A metric whose unit is a plain number."""
NOISE = {"rerun": "One version, run again", "reseeded": "Trained with another seed"}


def change_cell(estimate: Mapping[str, Any] | None, metric: str) -> Cell:
    """Return candidate minus base; of a ratio, too, it is a difference and no factor."""
    return difference_cell(estimate, _NUMBER if is_ratio(metric) else metric)


def moved_bands(output: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the moves between risk bands of everybody and of every single attribute's groups."""
    groups = [one for one in output["groups"] if one.get("reclassification")]
    if not groups:
        if output.get("withheld"):
            yield Missing(text=output["withheld"])
        return
    edges = ", ".join(f"{edge:.0%}" for edge in output["risk_bands"])
    rows = [
        Row(
            cells=(
                Cell(text=group_label(one["attributes"])),
                Cell(text=SIDES[side]),
                Cell(text=f"{moved['up']:,} of {moved['n']:,}"),
                Cell(text=f"{moved['down']:,} of {moved['n']:,}"),
                difference_cell(moved["net"], "tpr"),
                Cell(text=p_text(moved["p"])),
            )
        )
        for one in groups
        if len(one["attributes"]) <= 1
        for side, moved in ((side, one["reclassification"][side]) for side in SIDES)
    ]
    yield Grid(
        caption=f"{humanised(str(output['name']))}: moves between risk bands ({edges})",
        columns=(
            Column(label="Group", share=1.6),
            Column(label="Cases", share=1.2),
            Column(label="Up", align="right"),
            Column(label="Down", align="right"),
            Column(label="Up less down", align="right", share=1.4),
            Column(label="p", align="right", share=0.7),
        ),
        rows=tuple(rows),
    )


def drifted(drift: Mapping[str, Any]) -> Iterator[Block]:
    """Yield how far the reasons of both versions are apart, beside the noise."""
    if not drift.get("outputs"):
        yield Missing(text=f"Drift of the explanations: {drift.get('reason')}")
        return
    if drift.get("of_cases"):
        yield Text(
            text=f"Reasons were compared in {drift['cases']:,} of {drift['of_cases']:,} cases: "
            f"{drift['sample']}."
        )
    for output in drift["outputs"]:
        yield Text(
            text=f"{humanised(str(output['name']))}, drift of the explanations: "
            f"{word('verdict', output['verdict'])}. Distances are {drift['distance']}: 0 the same "
            "reasons in the same proportions, 1 none shared."
        )
        named = [("Everybody", output["distance"])]
        named += [(NOISE[kind], found) for kind, found in output["noise"].items()]
        named += [
            (group_label(one["attributes"]), one["distance"])
            for one in output["groups"]
            if one["distance"]["value"] is not None
        ]
        yield Grid(
            caption=f"{humanised(str(output['name']))}: distance of explanations",
            columns=(
                Column(label="Group", share=1.6),
                Column(label="Distance", align="right", share=1.4),
                Column(label="n", align="right", share=0.6),
            ),
            rows=tuple(
                Row(
                    cells=(
                        Cell(text=name),
                        estimate_cell(estimate, _NUMBER),
                        Cell(text=str(estimate["n"])),
                    )
                )
                for name, estimate in named
            ),
        )
