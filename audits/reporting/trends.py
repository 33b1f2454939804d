"""Rates over time of a report, as plain numbers with words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audits.reporting.words import estimate_text, humanised

PER_CHART = 4
"""Panels one under the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One month: its rate and limits, None where they are masked, and what stands behind them."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPanel:
    """The months of one outcome, from the first to the last."""

    title: str
    months: tuple[Month, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """Rates over time, one panel under the other on one axis of time.

    Attributes:
        id: Unique in the report.
        panels: One for each outcome.
        alt: What the chart shows, in words.
    """

    id: str
    panels: tuple[TrendPanel, ...]
    alt: str

    @property
    def rows(self) -> tuple[Any, ...]:
        """Return no rows: a trend has none that could outgrow a page."""
        return ()


def prevalence_trends(quality: Mapping[str, Any]) -> Iterator[Trends]:
    """Yield prevalence by month of every outcome with more than one month, some to a chart.

    Args:
        quality: ``data_quality`` of the evidence at any release.
    """
    found: dict[str, list[Month]] = {}
    for one in (quality.get("prevalence_by_month") or {}).get("months") or ():
        found.setdefault(str(one["label"]), []).append(_month(one))
    panels = [
        TrendPanel(title=humanised(label), months=tuple(sorted(months, key=lambda m: m.name)))
        for label, months in found.items()
        if sum(m.value is not None for m in months) > 1
    ]
    for at in range(0, len(panels), PER_CHART):
        part = tuple(panels[at : at + PER_CHART])
        yield Trends(
            id=f"months-{at // PER_CHART}",
            panels=part,
            alt=f"Prevalence by month. {' '.join(_told(p.months, p.title) for p in part)}",
        )


def _month(one: Mapping[str, Any]) -> Month:
    value = one.get("share")
    estimate = estimate_text({**one, "value": value}, "percent")
    behind = "" if one.get("n") is None else f", {one['n']:,} cases"
    return Month(
        name=str(one["month"]),
        value=value,
        low=one.get("low"),
        high=one.get("high"),
        text=f"{one['month']}: {estimate}{behind}",
    )


def _told(months: Sequence[Month], title: str) -> str:
    shown = [m for m in months if m.value is not None]
    lowest = min(shown, key=lambda m: (m.value or 0.0, m.name))
    highest = max(shown, key=lambda m: (m.value or 0.0, m.name))
    return f"{title}: lowest {lowest.text}; highest {highest.text}."
