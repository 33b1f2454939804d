"""Blocks a report is made of; text only, so that nothing in the data can act as markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audits.reporting.charts import Chart
from audits.reporting.curves import Curves
from audits.reporting.trends import Trends

Tone = Literal["", "strong", "muted", "disparity", "equivalent", "inconclusive", "not_evaluable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: a text, and a smaller note under it.

    Attributes:
        text: What stands in the cell.
        note: Interval or reason, set small.
        mark: Verdict whose symbol stands before the text, or empty.
        tone: ``strong``, ``muted`` or empty.
    """

    text: str
    note: str = ""
    mark: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Cells of one line; a heading has one cell over the whole width."""

    cells: tuple[Cell, ...]
    heading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its heading, its side and its share of the width."""

    label: str
    align: Literal["left", "right"] = "left"
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    type: str = "grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph.

    Attributes:
        text: The paragraph.
        style: ``body``, ``lead`` (larger), ``small`` or ``note`` (set apart).
    """

    text: str
    style: Literal["body", "lead", "small", "note"] = "body"
    type: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str
    type: str = "heading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A label with its value; ``code`` for hashes and ids."""

    label: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Labels with their values, one under the other."""

    facts: tuple[Fact, ...]
    type: str = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A large number with its verdict and what it means."""

    mark: str
    value: str
    label: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Tiles side by side."""

    tiles: tuple[Tile, ...]
    type: str = "tiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with its caption; the chart's ``alt`` says in words what it shows."""

    chart: Chart | Curves | Trends
    caption: str
    type: str = "figure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something a reader looks for and that is not there, with the reason."""

    text: str
    type: str = "missing"


Block = Grid | Text | Heading | Facts | Tiles | Figure | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the report.

    Attributes:
        id: Name of the section, target of links.
        number: As printed.
        title: Heading.
        question: What a reader finds here, in a plain sentence.
        evidence_for: Requirements that find evidence here.
        blocks: Contents.
    """

    id: str
    number: str
    title: str
    question: str
    evidence_for: str = ""
    blocks: tuple[Block, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole report.

    Attributes:
        title: Title.
        subtitle: What was audited.
        run: Id of the run.
        created: Time of the run, ISO 8601.
        release: ``internal`` or ``restricted``.
        evidence_sha256: Hash of the canonical evidence it was made from.
        cover: Facts of the cover.
        stance: What the report does and does not say.
        sections: Sections in order, the cover not among them.
    """

    title: str
    subtitle: str
    run: str
    created: str
    release: str
    evidence_sha256: str
    cover: tuple[Fact, ...]
    stance: str
    sections: tuple[Section, ...]
