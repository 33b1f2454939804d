"""Rows and cells that several sections share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.reporting.document.blocks import Cell, Row
from audits.reporting.words import (
    MISSING,
    SUPPRESSED,
    is_ratio,
    limits,
    number,
    points,
    unit_of,
)


def cells(*texts: str) -> Row:
    """Return a row of plain cells; what is not there is set muted."""
    return Row(
        cells=tuple(
            Cell(text=t, tone="muted" if t in (MISSING, SUPPRESSED, "–") else "") for t in texts
        )
    )


def estimate_cell(estimate: Mapping[str, Any] | None, metric: str, mark: str = "") -> Cell:
    """Return a value with its interval under it, or why there is none."""
    if not estimate:
        return Cell(text="–", tone="muted")
    if estimate.get("value") is None:
        text = SUPPRESSED if estimate.get("suppressed") else "–"
        return Cell(text=text, tone="muted", mark=mark)
    unit = unit_of(metric)
    inside = limits(estimate.get("low"), estimate.get("high"), unit)
    return Cell(text=number(estimate["value"], unit), note=inside, mark=mark)


def difference_cell(estimate: Mapping[str, Any] | None, metric: str) -> Cell:
    """Return a difference in points, or a ratio, with its interval under it."""
    if not estimate or estimate.get("value") is None:
        return estimate_cell(estimate, metric)
    unit = "ratio" if is_ratio(metric) else unit_of(metric)
    inside = limits(estimate.get("low"), estimate.get("high"), unit)
    return Cell(text=points(estimate["value"], metric), note=inside)
