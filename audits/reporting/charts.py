"""Chart data of a report: plain numbers with the words that tell them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audits.reporting.words import (
    estimate_text,
    group_label,
    humanised,
    level_text,
    unit_of,
    word,
)

Verdicts = Mapping[tuple[str, frozenset[tuple[str, str]]], str | None]
"""(metric, group) -> verdict of the declared comparison."""

ROWS_PER_CHART = 44
"""Groups that fit on one page at a readable size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One estimate with its interval and verdict; ``value`` None draws nothing."""

    value: float | None
    low: float | None
    high: float | None
    verdict: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """One group: a heading for the attribute (no marks) or its marks, one per panel."""

    label: str
    marks: tuple[Mark, ...] = ()

    @property
    def heading(self) -> bool:
        """Return whether the row only names an attribute."""
        return not self.marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One measure, with its value for everybody."""

    metric: str
    title: str
    unit: str
    overall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Groups against measures: a forest plot with a panel for each measure.

    Attributes:
        id: Unique in the report.
        panels: Measures, left to right.
        rows: Groups, top to bottom.
        alt: What the chart shows, in words.
    """

    id: str
    panels: tuple[Panel, ...]
    rows: tuple[ChartRow, ...]
    alt: str

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Return the verdicts that occur, for the legend."""
        order = ("disparity", "equivalent", "inconclusive", "not_evaluable", "exploratory")
        found = {
            mark.verdict or "exploratory"
            for row in self.rows
            for mark in row.marks
            if mark.value is not None
        }
        return tuple(v for v in order if v in found)


def group_charts(
    output: Mapping[str, Any],
    metrics: Sequence[str],
    *,
    name: str,
    intersections: bool = False,
) -> tuple[Chart, ...]:
    """Return the forest plots of one output's groups, split where they outgrow a page.

    Args:
        output: An entry of ``outputs``.
        metrics: Measures, one panel each; those without any value are left out.
        name: Prefix of the charts' ids.
        intersections: Draw the intersections instead of the marginal groups.
    """
    groups = [g for g in output["groups"] if (len(g["attributes"]) > 1) == intersections]
    shown = [m for m in metrics if any(_value(g, m) is not None for g in groups)]
    if not shown:
        return ()
    panels = tuple(_panel(output, metric) for metric in shown)
    verdicts = verdicts_of(output)
    parts = list(_pages(groups))
    return tuple(
        Chart(
            id=f"{name}-{at}",
            panels=panels,
            rows=tuple(_rows(part, shown, verdicts)),
            alt=_alt(part, panels, verdicts),
        )
        for at, part in enumerate(parts)
    )


def verdict_of(
    verdicts: Verdicts,
    attributes: Mapping[str, str],
    metric: str,
) -> str | None:
    """Return the verdict on a group in a metric, or None."""
    return verdicts.get((metric, frozenset(attributes.items())))


def verdicts_of(output: Mapping[str, Any]) -> Verdicts:
    """Return the verdicts of the declared comparisons of an output.

    A two-level attribute is compared once; both of its levels get that verdict.
    """
    found = {}
    for one in output["comparisons"]:
        if one.get("declared", True):
            found[one["metric"], frozenset(one["group"].items())] = one.get("verdict")
            for other in _other_levels(output, one):
                found.setdefault((one["metric"], other), one.get("verdict"))
    return found


def _other_levels(
    output: Mapping[str, Any], comparison: Mapping[str, Any]
) -> list[frozenset[tuple[str, str]]]:
    """Return the one other level of a two-level attribute, or nothing."""
    group = comparison["group"]
    if len(group) != 1 or comparison.get("reference") not in (None, "rest"):
        return []
    others = [
        frozenset(g["attributes"].items())
        for g in output["groups"]
        if list(g["attributes"]) == list(group) and g["attributes"] != group
    ]
    return others if len(others) == 1 else []


def _value(group: Mapping[str, Any], metric: str) -> float | None:
    found: float | None = (group["metrics"].get(metric) or {}).get("value")
    return found


def _panel(output: Mapping[str, Any], metric: str) -> Panel:
    overall = (output["overall"]["metrics"].get(metric) or {}).get("value")
    return Panel(metric=metric, title=word("metric", metric), unit=unit_of(metric), overall=overall)


def _pages(groups: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield groups in parts of about one page, none of them nearly empty."""
    count = max(1, -(-len(groups) // ROWS_PER_CHART))
    size = -(-len(groups) // count)
    for at in range(0, len(groups), size):
        yield list(groups[at : at + size])


def _rows(
    groups: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    verdicts: Verdicts,
) -> Iterator[ChartRow]:
    before: tuple[str, ...] = ()
    for group in groups:
        attributes = group["attributes"]
        names = tuple(attributes)
        if names != before:
            yield ChartRow(label=" × ".join(humanised(n) for n in names))
            before = names
        marks = tuple(_mark(group, metric, verdicts) for metric in metrics)
        yield ChartRow(
            label=" · ".join(level_text(str(v)) for v in attributes.values()), marks=marks
        )


def _mark(
    group: Mapping[str, Any],
    metric: str,
    verdicts: Verdicts,
) -> Mark:
    estimate = group["metrics"].get(metric) or {}
    verdict = verdict_of(verdicts, group["attributes"], metric)
    text = f"{word('metric', metric)}: {estimate_text(estimate, unit_of(metric))}"
    if verdict:
        text += f", {word('verdict', verdict).lower()}"
    return Mark(
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        verdict=verdict,
        text=f"{group_label(group['attributes'])}. {text}",
    )


def _alt(
    groups: Sequence[Mapping[str, Any]],
    panels: Sequence[Panel],
    verdicts: Verdicts,
) -> str:
    """Say the extremes of each measure and name the disparities."""
    told = []
    for panel in panels:
        known = [(value, g) for g in groups if (value := _value(g, panel.metric)) is not None]
        if not known:
            continue
        ends = [min(known, key=lambda pair: pair[0])[1], max(known, key=lambda pair: pair[0])[1]]
        said = [
            f"{word_} {group_label(g['attributes'])}, "
            f"{estimate_text(g['metrics'][panel.metric], panel.unit)}"
            for word_, g in zip(("lowest", "highest"), ends, strict=True)
        ]
        apart = [
            group_label(g["attributes"])
            for g in groups
            if verdict_of(verdicts, g["attributes"], panel.metric) == "disparity"
        ]
        tail = f"; disparity: {', '.join(apart)}" if apart else ""
        told.append(f"{panel.title}: {'; '.join(said)}{tail}.")
    return "Forest plot of groups with intervals. " + " ".join(told)
