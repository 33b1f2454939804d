"""Sections and sentences of a note, by where they stand; their words go nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Headings that clinical notes share; any other is numbered, as its words could name somebody.
_KNOWN = (
    "chief complaint", "history of present illness", "past medical history", "social history",
    "family history", "history", "medications", "allergies", "review of systems", "vital signs",
    "physical examination", "examination", "physical exam", "laboratory", "labs", "imaging",
    "radiology", "findings", "impression", "assessment and plan", "assessment", "plan",
    "hospital course", "subjective", "objective", "discharge", "comparison", "technique",
    "indication", "recommendation",
)  # fmt: skip
_HEADING = re.compile(r"^[ \t]*([A-Za-z][A-Za-z /&-]{1,48}):", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_OPENING = "opening"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a text.

    Attributes:
        name: ``plan``; ``plan, sentence 2``.
        start: First character.
        end: Character behind the last.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section and its sentences, which cover it without gaps; a heading is the first of them."""

    stretch: Stretch
    sentences: tuple[Stretch, ...]


def sections_of(text: str) -> tuple[Section, ...]:
    """Return the sections of a text in order; a text without headings is one section."""
    heads = list(_HEADING.finditer(text))
    starts = [match.start() for match in heads]
    out: list[Section] = []
    used: dict[str, int] = {}
    if not heads or text[: starts[0]].strip():
        end = starts[0] if heads else len(text)
        out.append(_section(_OPENING if heads else "note", text, 0, 0, end))
    for at, match in enumerate(heads):
        end = starts[at + 1] if at + 1 < len(heads) else len(text)
        name = _canonical(match.group(1), at)
        used[name] = used.get(name, 0) + 1
        shown = name if used[name] == 1 else f"{name} ({used[name]})"
        out.append(_section(shown, text, match.start(), match.end(), end))
    return tuple(out)


def _canonical(heading: str, at: int) -> str:
    plain = " ".join(heading.lower().split())
    return plain if plain in _KNOWN else f"section {at + 1}"


def _section(name: str, text: str, start: int, body: int, end: int) -> Section:
    sentences = []
    if body > start:
        sentences.append(Stretch(name=f"{name}, heading", start=start, end=body))
    place = body
    cuts = [m.end() for m in _SENTENCE_END.finditer(text, body, end)]
    for edge in [*cuts, end]:
        if text[place:edge].strip():
            number = len(sentences) + (0 if body > start else 1)
            sentences.append(Stretch(name=f"{name}, sentence {number}", start=place, end=edge))
            place = edge
    if sentences:
        last = sentences[-1]
        sentences[-1] = Stretch(name=last.name, start=last.start, end=end)
    return Section(
        stretch=Stretch(name=name, start=start, end=end),
        sentences=tuple(sentences) or (Stretch(name=f"{name}, heading", start=start, end=end),),
    )
