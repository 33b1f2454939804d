"""What the legend of a map says: where it ends, in which unit, and what its colours stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.queries.runs import RunRef, load_run

WHOLE = "mask"
"""The region that a segmentation's maps are of unless the reader asks for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """The legend of one map.

    Attributes:
        scale: Magnitude at full colour.
        holds_for: For which maps that scale holds.
        unit: Unit of the values.
        high: What high values stand for.
        low: What low values stand for.
    """

    scale: float
    holds_for: str
    unit: str
    high: str
    low: str


def legend(
    ref: RunRef, model: str, entry: Mapping[str, Any], *, shared: float | None = None
) -> Legend:
    """Return the legend of an explanation's map.

    Args:
        ref: The run.
        model: Model key.
        entry: The explanation, with a map.
        shared: Magnitude at full colour that a second version beside it asks for.
    """
    from audits.explanations.map_words import map_meaning, map_unit

    high, low = map_meaning(entry["method"])
    scale, holds_for = fixed_scale(ref, model, entry)
    if shared is not None:
        scale, holds_for = shared, "one scale for both versions"
    unit = map_unit(entry["method"], entry["score"])
    return Legend(scale=scale, holds_for=holds_for, unit=unit, high=high, low=low)


def fixed_scale(ref: RunRef, model: str, entry: Mapping[str, Any]) -> tuple[float, str]:
    """Return where a map's legend ends, and for which maps it holds.

    Maps that the run made end alike for all patients and outputs, so that little looks like
    little. Other methods, other regions and runs of earlier versions have a map's own end.
    """
    summary = (load_run(ref).evidence.get("explanations") or {}).get(model) or {}
    region = (entry.get("region") or {}).get("region", WHOLE)
    found = summary.get("map_scale")
    if found and summary.get("method") == entry["method"] and region == WHOLE:
        cases = summary.get("cases") or 0
        return float(found), f"the same for all patients, from {cases:,} maps of this run"
    return float(entry["map"].get("scale") or 1.0), "this map's own scale"
