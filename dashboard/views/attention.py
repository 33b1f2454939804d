"""What a reader of a run should see first, each point with a way to look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import numbers, series
from dashboard.evidence import disparities, group_label, model_label
from dashboard.queries.runs import RunCard
from dashboard.words import humanised, inside, label, word

SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One line of the list: a Markdown sentence and where to look."""

    text: str
    page: str | None = None
    query: tuple[tuple[str, str], ...] = ()


def attention_list(evidence: Mapping[str, Any], card: RunCard) -> None:
    """Show the points, gravest first, or say that none stands out."""
    points = list(attention_points(evidence))
    if not points:
        st.write("No disparity, failed check or gap in the evidence stands out in this run.")
    for point in points:
        text, link = st.columns([4, 1], vertical_alignment="center")
        text.markdown(point.text)
        if point.page:
            query = {"run": card.id, **dict(point.query)}
            link.page_link(
                point.page, label="Look", icon=":material/arrow_forward:", query_params=query
            )


def attention_points(evidence: Mapping[str, Any]) -> Iterator[Point]:
    """Yield what stands out in a run, gravest first."""
    yield from _shortcuts(evidence)
    yield from _disparities(evidence)
    yield from _findings(evidence)
    yield from _gaps(evidence)


def _disparities(evidence: Mapping[str, Any]) -> Iterator[Point]:
    """Yield one point per outcome, group and measure; models that share it stand together.

    A group that is better off than the rest goes unsaid where another group of the same attribute
    is worse off: it is the same gap seen from the other side.
    """
    together: dict[tuple[str, str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    found_all = disparities(evidence)
    behind = {_gap(out, c) for out, c in found_all if c.get("worse") == "group"}
    for output, comparison in found_all:
        if comparison.get("worse") == "reference" and _gap(output, comparison) in behind:
            continue
        key = (output["name"], group_label(comparison["group"]), comparison["metric"])
        together.setdefault(key, []).append((output, comparison))
    for (name, group, metric), found in list(together.items())[:SHOWN]:
        output, comparison = found[0]
        entry = word("verdict", "disparity")
        strength = word("strength", comparison.get("strength")).label
        models = "; ".join(model_label(out.get("model")) for out, _ in found)
        yield Point(
            text=(
                f":{entry.colour}-badge[{entry.symbol} {strength}] **{humanised(name)}: "
                f"{inside(label('metric', metric))}, {group}** differs from the rest by "
                f"{numbers.difference_text(comparison['difference'], metric)}, "
                f"{series.group_count(output, comparison)}; worse off: "
                f"{series.worse_text(comparison)}. {models}"
            ),
            page="app_pages/bias_audit.py",
            query=_query(output),
        )
    if len(together) > SHOWN:
        text = "All disparities are listed in the bias audit, model by model."
        yield Point(text=text, page="app_pages/bias_audit.py")


def _gap(output: Mapping[str, Any], comparison: Mapping[str, Any]) -> tuple[object, ...]:
    return output.get("model"), output["name"], comparison["metric"], comparison["attribute"]


def _shortcuts(evidence: Mapping[str, Any]) -> Iterator[Point]:
    for item in (evidence.get("shortcuts") or {}).get("outputs", []):
        if item.get("verdict") == "used":
            yield Point(
                text=(
                    f"{word('shortcut', 'used').badge} **{humanised(item['output'])}**, "
                    f"{model_label(item.get('model'))}: hiding {_suspect(item['suspect'])} "
                    f"moves the score by {numbers.with_interval(item['effect'])} logits, "
                    f"{_n(item['effect'])}; "
                    f"hiding a sham by {numbers.with_interval(item['sham'])}."
                ),
                page="app_pages/bias_audit.py",
                query=_query({"model": item.get("model"), "name": item["output"]}),
            )


def _suspect(name: str) -> str:
    zones = {"border": "what it reads in the border", "outside_anatomy": "what it reads elsewhere"}
    return zones.get(name, f"the {inside(humanised(name))}")


def _findings(evidence: Mapping[str, Any]) -> Iterator[Point]:
    serious = [f for f in evidence.get("findings", []) if f.get("severity") != "info"]
    for item in serious[:SHOWN]:
        yield Point(text=f":gray-badge[! note] {item['where']}: {item['message']}")
    if len(serious) > SHOWN:
        yield Point(text=f"{len(serious) - SHOWN} more notes are in the evidence.")


def _gaps(evidence: Mapping[str, Any]) -> Iterator[Point]:
    missing = [r for r in evidence.get("requirements", []) if r["state"] == "not_available"]
    own = [r for r in missing if not r.get("profile")]
    if own:
        names = list(dict.fromkeys(_requirement(r["id"]) for r in own))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield Point(
            text=f":gray-badge[– not available] {', '.join(names[:SHOWN])}{more}.",
            page="app_pages/reports.py",
        )
    if len(missing) > len(own):
        told = numbers.counted(len(missing) - len(own), "item")
        yield Point(
            text=f":gray-badge[– not available] {told} that laws or guidelines ask for.",
            page="app_pages/reports.py",
        )
    skipped = len(evidence.get("skipped", []))
    if skipped:
        yield Point(
            text=f":gray-badge[! skipped] {numbers.counted(skipped, 'case')} could not be used.",
            page="app_pages/reports.py",
        )


def _n(estimate: Mapping[str, Any]) -> str:
    return numbers.denominator(estimate) or f"n {numbers.MISSING}"


def _requirement(name: str) -> str:
    return humanised(name.rpartition(".")[2]).lower()


def _query(output: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    model = output.get("model")
    named = (("output", str(output["name"])),)
    return (("model", str(model)), *named) if model else named
