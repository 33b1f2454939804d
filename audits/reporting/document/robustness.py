"""Section 10: what changes with time, place and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.findings import output_label
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.requirements.facts import why_not
from audits.reporting.trends import prevalence_trends
from audits.reporting.words import count, estimate_text, humanised, model_label, p_text, word

Evidence = Mapping[str, Any]
SHOWN_VARIABLES = 8
UNTESTED = "Noise, blur, compression and other corruptions of inputs were not tested."
SHOWN_MEASURES = ("tpr", "fpr", "auroc", "oe_ratio", "mae", "c_uno", "dice")


def robustness(evidence: Evidence) -> Iterator[Block]:
    """Yield section 10: time, sites, changed and missing inputs, and what was not tested."""
    yield from _time(evidence["data_quality"])
    yield from _sites(evidence)
    yield from _changed(evidence["shortcuts"])
    yield from _probes(evidence["shortcuts"])
    yield from _missing(evidence["explanations"])
    yield Heading(text="Not tested")
    yield Missing(text=UNTESTED)
    yield Missing(text=why_not("drift"))


def _time(quality: Mapping[str, Any]) -> Iterator[Block]:
    charts = list(prevalence_trends(quality))
    months = (quality.get("prevalence_by_month") or {}).get("months") or ()
    masked = any(one.get("suppressed") for one in months)
    yield Heading(text="Over time")
    for chart in charts:
        yield Figure(
            chart=chart,
            caption="How common each outcome is, month by month; 95 % intervals, cut at the edge "
            "of the panel where few cases lie behind them"
            + (". Months with suppressed counts leave a gap" if masked else ""),
        )
    if not charts:
        found = quality.get("prevalence_by_month") or {}
        yield Missing(
            text=str(
                found.get("reason")
                or "Months cannot be compared: the data give no time, or "
                "too few cases a month may be shown."
            )
        )


def site_attributes(quality: Mapping[str, Any]) -> list[str]:
    """Return the attributes that the study declares to be sites.

    Args:
        quality: ``data_quality`` of the evidence.
    """
    named = [p["attribute"] for p in quality.get("prevalence") or () if p.get("attribute")]
    return list(dict.fromkeys(map(str, named)))


def _sites(evidence: Evidence) -> Iterator[Block]:
    names = site_attributes(evidence["data_quality"])
    spread = {
        (output_label(output), one["attribute"], one["metric"]): one
        for output in evidence["outputs"]
        for one in output.get("heterogeneity") or ()
        if one["attribute"] in names and one["metric"] in SHOWN_MEASURES
    }
    yield Heading(text="Between sites")
    if not spread:
        yield Missing(text="No attribute is declared to be a site, or the run has a single one.")
        return
    shown = [m for m in SHOWN_MEASURES if any(metric == m for _, _, metric in spread)]
    yield Grid(
        caption="How far measures differ between sites: variance of the true values (τ², 95 % "
        "interval) and p of no difference; section 7 shows each site",
        columns=(
            Column(label="Output", share=1.6),
            Column(label="Site", share=0.8),
            *(Column(label=word("metric", m), align="right", share=1.4) for m in shown),
        ),
        rows=tuple(
            Row(
                cells=(
                    *cells(of, humanised(attribute)).cells,
                    *(_spread_cell(spread.get((of, attribute, m))) for m in shown),
                )
            )
            for of, attribute in dict.fromkeys((of, a) for of, a, _ in spread)
        ),
    )


def _spread_cell(one: Mapping[str, Any] | None) -> Cell:
    if one is None:
        return Cell(text="–", tone="muted")
    cell = estimate_cell(one.get("tau2"), "")
    return replace(cell, note=f"{cell.note}; p {p_text(one.get('p'))}") if cell.note else cell


def _changed(shortcuts: Mapping[str, Any]) -> Iterator[Block]:
    shown = [s for s in shortcuts.get("outputs") or () if s.get("inserted")]
    if not shown:
        return
    yield Heading(text="Under changed images")
    yield Grid(
        caption="What a suspect region does to the score of an image (section 8 gives verdicts; "
        "in the score's unit, 95 % intervals)",
        columns=(
            Column(label="Output", share=1.8),
            Column(label="Suspect", share=1.3),
            Column(label="Images", align="right", share=0.7),
            Column(label="Hidden", align="right", share=1.3),
            Column(label="Put into other images", align="right", share=1.3),
            Column(label="Sham region hidden", align="right", share=1.3),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=humanised(str(s["output"])), note=model_label(s.get("model"))),
                    Cell(text=humanised(str(s["suspect"]))),
                    Cell(text=count((s.get("effect") or {}).get("n"), suppressed=True)),
                    *(estimate_cell(s.get(name), "") for name in ("effect", "inserted", "sham")),
                )
            )
            for s in shown
        ),
    )


def _probes(shortcuts: Mapping[str, Any]) -> Iterator[Block]:
    probes = [p for p in shortcuts.get("probes") or () if p.get("auc")]
    if not probes:
        return
    yield Grid(
        caption="What the model's features know beside the outcome: AUROC of telling the attribute "
        "from them (0.5: nothing; knowing is not using)",
        columns=(
            Column(label="Model", share=1.6),
            Column(label="Attribute", share=1.3),
            Column(label="AUROC (95 % interval)", align="right", share=1.6),
            Column(label="Cases", align="right", share=0.8),
        ),
        rows=tuple(
            cells(
                model_label(p["model"]),
                humanised(p["attribute"]),
                estimate_text(p["auc"]),
                count(p.get("n"), suppressed=True),
            )
            for p in probes
        ),
    )
    establishes = shortcuts.get("context_establishes")
    if establishes:
        yield Text(text=str(establishes), style="small")


def _missing(explanations: Mapping[str, Any]) -> Iterator[Block]:
    """Yield what not measuring a variable does to the score."""
    rows = [
        (key, output["name"], one)
        for key, summary in explanations.items()
        if isinstance(summary, Mapping)
        for output in (summary.get("global") or {}).get("outputs") or ()
        for one in (output.get("care_process") or ())[:SHOWN_VARIABLES]
    ]
    if not rows:
        return
    yield Heading(text="Under missing inputs")
    yield Grid(
        caption="What being measured at all does to the score, apart from the value; the largest "
        "of each model",
        columns=(
            Column(label="Model", share=1.4),
            Column(label="Variable", share=1.8),
            Column(label="Not measured", align="right", share=1.3),
            Column(label="Mean |effect|", align="right", share=1.3),
            Column(label="Share of attribution", align="right", share=1.3),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=model_label(key), note=humanised(str(name))),
                    Cell(text=str(one.get("label") or one["name"])),
                    estimate_cell(one.get("not_measured"), "tpr"),
                    estimate_cell(one.get("mean_absolute_effect"), ""),
                    estimate_cell(one.get("share"), "tpr"),
                )
            )
            for key, name, one in rows
        ),
    )
