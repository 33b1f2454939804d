"""Reliability curves of a report: observed rates by predicted risk, as plain numbers with words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audits.reporting.words import estimate_text, humanised, model_label, number

Output = Mapping[str, Any]
PER_CHART = 3
"""Panels side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One bin of cases with similar risks."""

    predicted: float
    observed: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePanel:
    """The bins of one output, from the lowest risk to the highest."""

    title: str
    note: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Reliability curves side by side.

    Attributes:
        id: Unique in the report.
        panels: One for each output, left to right.
        alt: What the chart shows, in words.
    """

    id: str
    panels: tuple[CurvePanel, ...]
    alt: str

    @property
    def rows(self) -> tuple[Any, ...]:
        """Return no rows: a curve has none that could outgrow a page."""
        return ()


def reliability_curves(outputs: Sequence[Output]) -> Iterator[Curves]:
    """Yield the curves of the outputs whose bins the release holds, some to a chart."""
    panels = [_panel(output) for output in outputs if _bins(output)]
    for at in range(0, len(panels), PER_CHART):
        part = tuple(panels[at : at + PER_CHART])
        alt = " ".join(f"{p.title}, {p.note}: {_extremes(p)}" for p in part)
        yield Curves(id=f"reliability-{at // PER_CHART}", panels=part, alt=f"Reliability. {alt}")


def _bins(output: Output) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (output.get("reliability") or {}).get("bins") or ()
    return found


def _panel(output: Output) -> CurvePanel:
    return CurvePanel(
        title=humanised(output["name"]),
        note=model_label(output["model"]) if output.get("model") else "",
        points=tuple(_point(one) for one in _bins(output)),
    )


def _point(one: Mapping[str, Any]) -> Point:
    observed = one["observed"]
    return Point(
        predicted=one["predicted"],
        observed=observed["value"],
        low=observed["low"],
        high=observed["high"],
        text=f"Predicted {number(one['predicted'], 'percent')}, observed "
        f"{estimate_text(observed, 'percent')}, {observed['n']:,} cases",
    )


def _extremes(panel: CurvePanel) -> str:
    """Say the lowest and the highest bin."""
    ends = [panel.points[0], panel.points[-1]]
    return "; ".join(one.text[:1].lower() + one.text[1:] for one in ends) + "."
