"""Section 9: what drives each model, and how far its explanations may be trusted."""

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
from audits.reporting.document.tables import cells
from audits.reporting.requirements.facts import why_not
from audits.reporting.words import (
    SUPPRESSED,
    count,
    estimate_text,
    group_label,
    humanised,
    limits,
    minus,
    model_label,
    number,
    word,
)

Evidence = Mapping[str, Any]
SHOWN_VARIABLES = 12


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
    overall = summary.get("global") or {}
    drivers = {one["name"]: one for one in overall.get("outputs") or ()}
    for output in summary.get("outputs") or ():
        found = drivers.get(output.get("name"))
        if found is not None:
            yield from _drivers(found, overall, key)
        yield from _output_summary(output, key, sampled=found is None)
    yield from _badges(summary, key)
    yield from _checks(summary, key)
    yield from _localised(summary, key)


def _drivers(output: Mapping[str, Any], overall: Mapping[str, Any], key: str) -> Iterator[Block]:
    """Yield what moves the score over randomly drawn cases, and which orders leak into it."""
    name = f"{humanised(str(output['name']))}, {model_label(key)}"
    cases = count(overall.get("cases"), suppressed=True)
    shown = output["importance"][:SHOWN_VARIABLES]
    yield Grid(
        caption=f"{name}: what moves the score, over {cases} randomly drawn cases "
        f"in {overall.get('unit')}, the {len(shown)} largest",
        columns=(
            Column(label="Variable", share=2.2),
            Column(label="Mean |effect| (95 % interval)", align="right", share=2),
            Column(label="Share of attribution", align="right", share=2),
        ),
        rows=tuple(
            cells(
                str(one.get("label") or one.get("name")),
                estimate_text(one.get("mean_absolute_effect")),
                estimate_text(one.get("share"), "percent"),
            )
            for one in shown
        ),
    )
    leaks = [one["label"] for one in output.get("care_process") or () if one.get("leaks")]
    if leaks:
        yield Text(
            text=f"Care process: being measured at all ranks high for {', '.join(leaks)}. The "
            "score follows what somebody ordered, and orders follow habits that differ between "
            "sites."
        )


def _output_summary(
    output: Mapping[str, Any], key: str, *, sampled: bool = True
) -> Iterator[Block]:
    """Yield importance over the explained cases (unless random ones are there) and residuals."""
    name = f"{humanised(str(output.get('name')))}, {model_label(key)}"
    importance = output.get("importance") if sampled else None
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
    if facts:
        yield Facts(facts=tuple(facts))


def _kept(entry: Mapping[str, Any]) -> str:
    return count(entry.get("k"), suppressed=bool(entry.get("suppressed")))


def _badges(summary: Mapping[str, Any], key: str) -> Iterator[Block]:
    """Yield how many maps of each output passed their check."""
    outputs = [o for o in summary.get("outputs") or () if o.get("badges")]
    yield from badge_grid(
        f"{model_label(key)}: explanations of single cases by their check",
        [(humanised(str(o["name"])), o["badges"]) for o in outputs],
    )


def badge_grid(
    caption: str, rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
) -> Iterator[Block]:
    """Yield a table of explanations of single cases by the result of their check.

    Args:
        caption: Of the table.
        rows: What each row is of, with its ``badges``.
    """
    if rows:
        names = [one["verdict"] for one in rows[0][1]]
        yield Grid(
            caption=caption,
            columns=(
                Column(label="Output", share=2),
                *(Column(label=word("check", name), align="right") for name in names),
            ),
            rows=tuple(cells(of, *(_kept(one) for one in badges)) for of, badges in rows),
        )


def _checks(summary: Mapping[str, Any], key: str) -> Iterator[Block]:
    """Yield the checks of the method as a whole."""
    checks = summary.get("checks") or []
    if checks:
        yield Grid(
            caption=f"{model_label(key)}: checks of the method over these cases",
            columns=(
                Column(label="Check", share=1.8),
                Column(label="Output", share=1.4),
                Column(label="Cases that pass", align="right", share=1.5),
                Column(label="Value", align="right", share=0.8),
                Column(label="Limit, or without the model", align="right", share=1.2),
                Column(label="Result", share=1.5),
            ),
            rows=tuple(_check_row(one) for one in checks),
        )
        yield from (Text(text=t, style="small") for t in _asides(checks))


def _localised(summary: Mapping[str, Any], key: str) -> Iterator[Block]:
    """Yield how the maps meet the study's masks or boxes, overall and by group."""
    for found in summary.get("localisation") or ():
        rows = [("Everybody", found["overall"])]
        rows += [(group_label(one["attributes"]), one["metrics"]) for one in found["groups"]]
        yield Grid(
            caption=f"{model_label(key)}, {humanised(str(found['output']))}: maps against the "
            "study's own masks or boxes, in cases that have the finding",
            columns=(
                Column(label="Group", share=1.6),
                Column(label="Cases", align="right", share=0.6),
                Column(label="Peak inside", align="right", share=1.6),
                Column(label="Overlap (IoU)", align="right", share=1.6),
                Column(label="Share of the map inside", align="right", share=1.6),
                Column(label="Share of the area inside", align="right", share=1.6),
            ),
            rows=tuple(
                cells(
                    name,
                    count((metrics.get("iou") or {}).get("n"), suppressed=True),
                    *(estimate_text(metrics.get(one), unit) for one, unit in _LOCALISED.items()),
                )
                for name, metrics in rows
            ),
        )


_LOCALISED = {
    "pointing_game": "percent",
    "iou": "number",
    "mass_share": "percent",
    "area_share": "percent",
}


def _check_row(one: Mapping[str, Any]) -> Row:
    numbers = [_small(one.get(name), one) for name in ("value", "null")]
    name = word("check_name", str(one.get("name")))
    plain = cells(name, humanised(str(one.get("output"))), _passing(one), *numbers)
    decides = "" if one.get("decides", True) else "informs only"
    return Row(cells=(*plain.cells, Cell(text=word("check", one.get("verdict")), note=decides)))


def _passing(one: Mapping[str, Any]) -> str:
    """Return how many of the tested cases pass, or that the model as a whole was tested."""
    share = one.get("share")
    if not share:
        return "–" if one.get("verdict") == "not_checked" else "one test of the model"
    if share.get("value") is None:
        return estimate_text(share, "percent")
    inside = limits(share.get("low"), share.get("high"), "percent")
    return f"{share['k']:,} of {share['n']:,} ({inside} %)"


def _small(value: float | None, entry: Mapping[str, Any]) -> str:
    if value is None:
        return SUPPRESSED if entry.get("suppressed") else "–"
    return minus(f"{value:.2g}")


def _asides(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the reasons that checks give, each once."""
    reasons = {
        f"{word('check_name', str(c['name']))}: {c['reason']}." for c in checks if c.get("reason")
    }
    return sorted(reasons)


def _plain(value: float, unit: str) -> str:
    return f"{value:.2g}" if unit == "small" else number(value, unit)
