"""Sections 8 and 11: errors and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.compared_cases import compared_words
from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Grid,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.causes import slices
from audits.reporting.document.model_parts import declared
from audits.reporting.document.tables import estimate_cell
from audits.reporting.document.version_parts import change_cell, drifted, moved_bands
from audits.reporting.naming import variable_labels
from audits.reporting.requirements.facts import why_not
from audits.reporting.words import (
    SUPPRESSED,
    count,
    group_label,
    humanised,
    model_label,
    p_text,
    word,
)

Evidence = Mapping[str, Any]


def errors(evidence: Evidence) -> Iterator[Block]:
    """Yield section 8: the shortcut audit and the slices in which errors gather."""
    shortcuts = evidence["shortcuts"].get("outputs") or []
    if shortcuts:
        yield Grid(
            caption="Shortcut audit: does hiding a suspect region move the score? Effects in "
            "log-odds, 95 % intervals",
            columns=(
                Column(label="Output", share=1.5),
                Column(label="Suspect", share=1.2),
                Column(label="Images", align="right", share=0.7),
                Column(label="Effect", align="right", share=1.3),
                Column(label="Sham region", align="right", share=1.3),
                Column(label="q", align="right", share=0.7),
                Column(label="Verdict", share=1.2),
            ),
            rows=tuple(_shortcut_row(s) for s in shortcuts),
        )
        yield Text(text=_shortcut_margin(evidence), style="small")
    else:
        yield Missing(text="No shortcut audit was made.")
    limits = evidence["shortcuts"].get("does_not_establish")
    if limits:
        yield Text(text=str(limits), style="small")
    yield from slices(evidence["outputs"], variable_labels(evidence["data_quality"]))


def _shortcut_margin(evidence: Evidence) -> str:
    margin = evidence["shortcuts"].get("margin")
    reason = evidence["policy"].get("reasons", {}).get("shortcuts.margin_logits")
    because = f": {reason}" if reason else "; the policy gives no reason."
    return f"Effects up to {margin:g} log-odds do not matter{because}"


def _shortcut_row(entry: Mapping[str, Any]) -> Row:
    verdict = entry.get("verdict")
    return Row(
        cells=(
            Cell(text=humanised(str(entry.get("output"))), note=model_label(entry.get("model"))),
            Cell(text=humanised(str(entry.get("suspect")))),
            Cell(text=count((entry.get("effect") or {}).get("n"), suppressed=True)),
            estimate_cell(entry.get("effect"), ""),
            estimate_cell(entry.get("sham"), ""),
            Cell(text=p_text(entry.get("q"))),
            Cell(text=word("shortcut", verdict) if verdict else SUPPRESSED),
        )
    )


def versions(evidence: Evidence) -> Iterator[Block]:
    """Yield section 11: the paired comparison, where the run made one."""
    comparison = evidence["comparison"]
    yield from declared(evidence, ("changes", "change_plan"))
    if not comparison:
        yield Missing(text=why_not("comparison"))
        return
    yield Text(
        text=f"Base: {_named(comparison.get('base'))}. Candidate: "
        f"{_named(comparison.get('candidate'))}. Differences are candidate − base, same cases. "
        "Beyond the others: a group's difference less that of its declared reference, else of "
        "everybody else."
    )
    for output in comparison.get("outputs") or ():
        said = " ".join(compared_words(comparison, output))
        if said:
            yield Text(text=f"{humanised(str(output.get('name')))}: {said}")
        yield _version_grid(output)
        yield from moved_bands(output)
    if comparison.get("explanation_drift"):
        yield from drifted(comparison["explanation_drift"])


def _named(side: Any) -> str:
    if isinstance(side, Mapping):
        return model_label(f"{side.get('id')}@{side.get('version')}")
    return model_label(str(side)) if side else "not named"


def _flips(group: Mapping[str, Any]) -> str:
    """Say how many calls the candidate gets wrong that the base got right, and the reverse."""
    told = []
    for key, what, weighty, of_these in (
        ("negative_flips", "newly wrong", "missed_positives", "newly missed"),
        ("positive_flips", "newly right", "found_positives", "newly found"),
    ):
        flips = group.get(key) or {}
        hidden = bool(flips.get("suppressed"))
        k, n = (count(flips.get(name), suppressed=hidden) for name in ("k", "n"))
        weight = flips.get(weighty)
        more = "" if weight is None else f" ({weight:,} {of_these})"
        told.append(f"{k if k == n else f'{k} of {n}'} {what}{more}")
    return ", ".join(told)


def _version_grid(output: Mapping[str, Any]) -> Grid:
    rows: list[Row] = []
    for group in output.get("groups") or ():
        head = f"{group_label(group['attributes'])}: {_flips(group)}"
        rows.append(Row(cells=(Cell(text=head),), heading=True))
        for metric, one in group["metrics"].items():
            verdict = one.get("verdict")
            if not verdict and not one.get("suppressed"):
                continue
            rows.append(
                Row(
                    cells=(
                        Cell(text=word("metric", metric)),
                        estimate_cell(one.get("base"), metric),
                        estimate_cell(one.get("candidate"), metric),
                        change_cell(one.get("delta"), metric),
                        change_cell(one.get("difference_in_differences"), metric),
                        Cell(text=p_text(one.get("q"))),
                        Cell(text=word("verdict", verdict) if verdict else "–", mark=verdict or ""),
                    )
                )
            )
    return Grid(
        caption=f"{humanised(str(output.get('name')))}: base and candidate",
        columns=(
            Column(label="Measure", share=1.6),
            Column(label="Base", align="right", share=1.4),
            Column(label="Candidate", align="right", share=1.4),
            Column(label="Difference", align="right", share=1.4),
            Column(label="Beyond the others", align="right", share=1.4),
            Column(label="q", align="right", share=0.7),
            Column(label="Verdict", share=1.3),
        ),
        rows=tuple(rows),
    )
