"""The scale that two versions' explanations of one case are drawn on: the wider of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.queries import explanations
from dashboard.queries.maps import fixed_scale
from dashboard.queries.runs import RunRef

ROOM = 0.06
"""Share of the range left free at either end of the effects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What both drawings of one case share; None where a version has no such drawing.

    Attributes:
        map: Magnitude at which the colours of a map end.
        effects: Range of the axis of effects.
    """

    map: float | None = None
    effects: tuple[float, float] | None = None


def shared_scale(ref: RunRef, models: Sequence[str], case: str, output: str, cohort: str) -> Scale:
    """Return the scale of several versions' explanations; its own for a version alone."""
    if len(models) < 2:  # noqa: PLR2004 - one drawing has its own scale
        return Scale()
    entries: list[Mapping[str, Any]] = []
    for model in models:
        try:
            found = explanations.case_explanation(ref, model, case, output, cohort)
        except explanations.UNEXPLAINED:
            return Scale()
        entries.append(found.entry)
    maps = [
        fixed_scale(ref, model, entry)[0]
        for model, entry in zip(models, entries, strict=True)
        if entry.get("map")
    ]
    ends = [end for entry in entries for end in _ends(entry)]
    effects = None
    if ends:
        room = ROOM * (max(ends) - min(ends) or 1.0)
        effects = (min(ends) - room, max(ends) + room)
    return Scale(map=max(maps) if len(maps) == len(models) else None, effects=effects)


def _ends(entry: Mapping[str, Any]) -> list[float]:
    """Return every place that a waterfall of these effects reaches."""
    base = entry.get("base_value")
    players = entry.get("players") or []
    if base is None or not players:
        return []
    at, ends = float(base), [float(base)]
    for player in sorted(players, key=lambda one: -abs(one["effect"])):
        at += float(player["effect"])
        ends.append(at)
    return ends
