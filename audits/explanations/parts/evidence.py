"""What an explanation says beyond its list of players: where in time, where in the text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

CellLevel = Literal["variable", "window", "part"]
TextLevel = Literal["section", "sentence", "token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One variable in one stretch of time.

    Attributes:
        variable: Name of the variable.
        level: ``variable`` (the whole window), ``window``, or ``part`` of a leading window.
        start: Hour since the window's start.
        end: Hour at which it ends.
        effect: In the unit of the estimand; parts add up to their window, windows to the variable.
        se: Standard error, 0 where exact, None where unknown.
        measured: Measurements that lie in it, as the model keeps them.
    """

    variable: str
    level: CellLevel
    start: float
    end: float
    effect: float
    se: float | None
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeasurements:
    """What the measurements of one variable since an earlier prediction changed.

    Attributes:
        variable: Name of the variable.
        label: Words a clinician uses.
        measured: New measurements.
        effect: Their Shapley value in the difference of the two scores.
        was: Last value known at the earlier prediction, or None where there was none.
        value: Last value now.
        unit: UCUM unit of both.
    """

    variable: str
    label: str
    measured: int
    effect: float
    was: float | None = None
    value: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The difference of two predictions of one case, by what was measured between them.

    Attributes:
        hours: How much earlier the first one is.
        before: Score as it was then, in the unit of the estimand.
        now: Score now.
        players: Variables with something new; their effects add up to now - before.
        exact: Whether every coalition was enumerated.
    """

    hours: float
    before: float
    now: float
    players: tuple[NewMeasurements, ...]
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"players": [asdict(one) for one in self.players]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Effects over time.

    Attributes:
        field: Name of the model's input.
        hours: Length of the window.
        cells: Effects, coarse to fine.
        trajectory: (hour, score) as the model would have said with what was known by then.
        change: The difference to an earlier prediction, or None where nothing is measured.
        read: Measurements of the case that reach the model.
        left_out: Measurements of its variables that do not: outside the window, or one of several
            in a step.
        unit: Hours of one unit of the study's numeric times.
        origin: Hour at which the window begins: of the study's clock, or of 1970 where its times
            are dates. A measurement lies at time * unit - origin.
    """

    field: str
    hours: float
    cells: tuple[Cell, ...]
    trajectory: tuple[tuple[float, float], ...] = ()
    change: Change | None = None
    read: int = 0
    left_out: int = 0
    unit: float = 1.0
    origin: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "field": self.field,
            "hours": self.hours,
            "cells": [asdict(cell) for cell in self.cells],
            "trajectory": [list(point) for point in self.trajectory],
            "change": None if self.change is None else self.change.to_dict(),
            "read": self.read,
            "left_out": self.left_out,
            "unit": self.unit,
            "origin": self.origin,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TextUnit:
    """A stretch of a text and its effect; the text itself stays in the study.

    Attributes:
        level: ``section``, ``sentence`` or ``token``.
        name: ``plan``, ``plan, sentence 2`` and so on; never words of the text.
        start: First character.
        end: Character behind the last.
        effect: In the unit of the estimand; finer units add up to the coarser one.
        se: Standard error, 0 where exact, None where unknown.
        negated: Whether a negation stands over it or over part of it.
    """

    level: TextLevel
    name: str
    start: int
    end: int
    effect: float
    se: float | None
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What the score does when the leading sentences are taken out.

    Attributes:
        sentences: How many were taken out: those that move the score most in its own direction.
        before: Score of the whole note.
        after: Score without them.
        others: Mean score without as many other sentences, drawn at random, or None.
    """

    sentences: int
    before: float
    after: float
    others: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteEvidence:
    """Effects of the parts of a text.

    Attributes:
        field: Name of the model's input.
        units: Sections, sentences and, inside leading sentences, tokens.
        read: Tokens the model reads.
        total: Tokens the text has.
        read_to: Character up to which it is read.
        negations: First and behind-last character of what stands under a negation.
        deletion: The deletion test, or None with fewer than two sentences.
    """

    field: str
    units: tuple[TextUnit, ...]
    read: int
    total: int
    read_to: int
    negations: tuple[tuple[int, int], ...]
    deletion: Deletion | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "field": self.field,
            "units": [asdict(unit) for unit in self.units],
            "read": self.read,
            "total": self.total,
            "read_to": self.read_to,
            "negations": [list(span) for span in self.negations],
            "deletion": None if self.deletion is None else asdict(self.deletion),
        }
