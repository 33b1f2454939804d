"""Sections 8 to 11: errors, explanations, robustness, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from audits.reporting.document.causes import slices
from audits.reporting.document.model_parts import declared
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.requirements.facts import why_not
from audits.reporting.words import (
    SUPPRESSED,
    count,
    estimate_text,
    group_label,
    humanised,
    model_label,
    number,
    p_text,
    word,
)

Evidence = Mapping[str, Any]
SHOWN_VARIABLES = 12


def errors(evidence: Evidence) -> Iterator[Block]:
    """Yield section 8: the shortcut audit and the slices in which errors gather."""
    shortcuts = evidence["shortcuts"].get("outputs") or []
    if shortcuts:
        yield Grid(
            caption="Shortcut audit: does hiding a suspect region move the score?",
            columns=(
                Column(label="Output", share=1.5),
                Column(label="Suspect", share=1.2),
                Column(label="Effect", align="right", share=1.3),
                Column(label="Sham region", align="right", share=1.3),
                Column(label="q", align="right", share=0.7),
                Column(label="Verdict", share=1.2),
            ),
            rows=tuple(_shortcut_row(s) for s in shortcuts),
        )
    else:
        yield Missing(text="No shortcut audit was made.")
    yield from slices(evidence["outputs"])


def _shortcut_row(entry: Mapping[str, Any]) -> Row:
    verdict = entry.get("verdict")
    return Row(
        cells=(
            Cell(text=humanised(str(entry.get("output"))), note=model_label(entry.get("model"))),
            Cell(text=humanised(str(entry.get("suspect")))),
            estimate_cell(entry.get("effect"), ""),
            estimate_cell(entry.get("sham"), ""),
            Cell(text=p_text(entry.get("q"))),
            Cell(text=word("shortcut", verdict) if verdict else SUPPRESSED),
        )
    )


def explanations(evidence: Evidence) -> Iterator[Block]:
    """Yield section 9: methods, what drives each model, and the checks."""
    yield Text(text=word("limit", "explanation", "text"), style="note")
    summaries = [(k, s) for k, s in evidence["explanations"].items() if isinstance(s, Mapping)]
    explained = [(k, s) for k, s in summaries if s.get("cases") or s.get("suppressed")]
    for key, summary in summaries:
        if not summary.get("cases") and not summary.get("suppressed"):
            reason = summary.get("reason") or why_not("explanations")
            yield Missing(text=f"{model_label(key)}: {reason}")
    if not summaries:
        yield Missing(text=why_not("explanations"))
    for key, summary in explained:
        yield Heading(text=model_label(key))
        yield from _summary(summary, key)


def _summary(summary: Mapping[str, Any], key: str) -> Iterator[Block]:
    method = str(summary.get("method"))
    definition = word("method", method, "definition")
    background = summary.get("background") or {}
    facts = [
        Fact(label="Method", value=f"{word('method', method)}. {definition}".strip()),
        Fact(label="Cases explained", value=count(summary.get("cases"), suppressed=True)),
    ]
    if background.get("name"):
        facts.append(Fact(label="Background", value=str(background["name"])))
        facts.append(Fact(label="Background, sha256", value=str(background["sha256"]), code=True))
    if summary.get("layer"):
        facts.append(Fact(label="Layer", value=str(summary["layer"])))
    yield Facts(facts=tuple(facts))
    for output in summary.get("outputs") or ():
        yield from _output_summary(output, key)


def _output_summary(output: Mapping[str, Any], key: str) -> Iterator[Block]:
    name = f"{humanised(str(output.get('name')))}, {model_label(key)}"
    importance = output.get("importance") or []
    if importance:
        more = f", the {SHOWN_VARIABLES} largest" if len(importance) > SHOWN_VARIABLES else ""
        yield Grid(
            caption=f"{name}: what moves the score, in logits{more}",
            columns=(
                Column(label="Variable", share=2.2),
                Column(label="Mean |effect| (95 % interval)", align="right", share=2),
                Column(label="Mean effect (95 % interval)", align="right", share=2),
            ),
            rows=tuple(
                cells(
                    str(one.get("label") or one.get("name")),
                    estimate_text(one.get("mean_absolute_effect")),
                    estimate_text(one.get("mean_effect")),
                )
                for one in importance[:SHOWN_VARIABLES]
            ),
        )
    facts = [
        Fact(label=label, value=_plain(output[key], unit))
        for key, label, unit in (
            ("worst_additivity_residual", "Largest additivity residual", "small"),
            ("largest_se", "Largest standard error", "small"),
            ("off_support_share", "Off-support share", "percent"),
        )
        if output.get(key) is not None
    ]
    facts += [
        Fact(label=f"{name}: {word('check', one['verdict']).lower()}", value=_kept(one))
        for one in output.get("badges") or ()
    ]
    if facts:
        yield Facts(facts=tuple(facts))


def _kept(entry: Mapping[str, Any]) -> str:
    return count(entry.get("k"), suppressed=bool(entry.get("suppressed")))


def _plain(value: float, unit: str) -> str:
    return f"{value:.2g}" if unit == "small" else number(value, unit)


def robustness(evidence: Evidence) -> Iterator[Block]:  # noqa: ARG001 - one signature
    """Yield section 10."""
    yield Missing(text=why_not("robustness"))
    yield Missing(text=why_not("drift"))


def versions(evidence: Evidence) -> Iterator[Block]:
    """Yield section 11: the paired comparison, where the run made one."""
    comparison = evidence["comparison"]
    yield from declared(evidence, ("changes", "change_plan"))
    if not comparison:
        yield Missing(text=why_not("comparison"))
        return
    yield Text(
        text=f"Base: {_named(comparison.get('base'))}. Candidate: "
        f"{_named(comparison.get('candidate'))}. Differences are candidate − base, same cases."
    )
    for output in comparison.get("outputs") or ():
        yield _version_grid(output)


def _named(side: Any) -> str:
    if isinstance(side, Mapping):
        return model_label(f"{side.get('id')}@{side.get('version')}")
    return model_label(str(side)) if side else "not named"


def _version_grid(output: Mapping[str, Any]) -> Grid:
    rows: list[Row] = []
    for group in output.get("groups") or ():
        rows.append(Row(cells=(Cell(text=group_label(group["attributes"])),), heading=True))
        for metric, one in group["metrics"].items():
            verdict = one.get("verdict")
            rows.append(
                Row(
                    cells=(
                        Cell(text=word("metric", metric)),
                        estimate_cell(one.get("base"), metric),
                        estimate_cell(one.get("candidate"), metric),
                        estimate_cell(one.get("delta"), metric),
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
            Column(label="q", align="right", share=0.7),
            Column(label="Verdict", share=1.3),
        ),
        rows=tuple(rows),
    )
