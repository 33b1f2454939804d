"""Section 13: what is declared of human oversight, and what following the model means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.document.blocks import Block, Cell, Column, Grid, Missing, Row, Text
from audits.reporting.document.explained import badge_grid
from audits.reporting.document.findings import output_label
from audits.reporting.document.model_parts import declared
from audits.reporting.document.signed import signoff_of
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.words import count, humanised, model_label, word

Evidence = Mapping[str, Any]
WORKLOAD = ("selection_rate", "ppv", "npv", "fnr")
"""How many cases are flagged, how often flag and silence are right, and what is missed."""


def oversight(evidence: Evidence) -> Iterator[Block]:
    """Yield section 13: declared measures, workload, explanations to rely on, people's reviews."""
    yield from declared(evidence, ("oversight", "training_of_users", "event_logging", "complaints"))
    yield from _workload(evidence)
    yield from _explanations(evidence["explanations"])
    yield from _reviews(evidence)


def _workload(evidence: Evidence) -> Iterator[Block]:
    shown = [o for o in evidence["outputs"] if "selection_rate" in o["overall"]["metrics"]]
    if not shown:
        yield Missing(text="Nothing is called positive, so no workload follows from the run.")
        return
    yield Grid(
        caption="What a person who follows the model meets, at its threshold and at the prevalence "
        "of these data (95 % intervals)",
        columns=(
            Column(label="Output", share=2),
            *(Column(label=word("metric", m), align="right", share=1.3) for m in WORKLOAD),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=output_label(output)),
                    *(estimate_cell(output["overall"]["metrics"].get(m), m) for m in WORKLOAD),
                )
            )
            for output in shown
        ),
    )


def _explanations(explanations: Mapping[str, Any]) -> Iterator[Block]:
    """Yield how many explanations of single cases a person may read at all."""
    yield from badge_grid(
        "Explanations of single cases, by what a person is told of them; one that fails its check "
        "is shown grey and says so",
        [
            (f"{humanised(str(output['name']))}, {model_label(key)}", output["badges"])
            for key, summary in explanations.items()
            if isinstance(summary, Mapping)
            for output in summary.get("outputs") or ()
            if output.get("badges")
        ],
    )


def _reviews(evidence: Evidence) -> Iterator[Block]:
    """Yield what people said about single predictions, as it was entered at sign-off."""
    entered = signoff_of(evidence).reviews
    if entered is None:
        yield Missing(
            text="Agreement with and overrides of single predictions: nobody entered them "
            "(`auscult signoff reviews`)."
        )
        return
    hidden = evidence["release"] == "restricted"
    yield Grid(
        caption="What people said about single predictions, latest word of each person on each "
        "case",
        columns=(
            Column(label="Output", share=2),
            Column(label="Reviewed", align="right"),
            Column(label="Agreed", align="right"),
            Column(label="Disagreed", align="right"),
            Column(label="People", align="right"),
        ),
        rows=tuple(
            cells(
                " ".join([humanised(one["output"]), model_label(one["model"] or None)]).strip(),
                *(
                    count(one[name], suppressed=hidden)
                    for name in ("n", "agreed", "disagreed", "people")
                ),
            )
            for one in entered["outputs"]
        ),
    )
    yield Text(
        text=f"Entered by {entered['by']}. Whoever agrees may have seen the prediction first; "
        "agreement is no proof that either is right.",
        style="small",
    )
