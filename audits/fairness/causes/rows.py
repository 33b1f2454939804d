"""The rows of one output as the causes panel reads them, and its groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audits.fairness.families import Family, marginal
from audits.fairness.frame import Frame, build_frame
from audits.fairness.rates import predicted_positive
from audits.fairness.types import BoolArray, FloatArray, IntArray, ScoredOutput
from audits.policy import Policy

BINARY_TASKS = ("binary", "multilabel", "multiclass")
UNKNOWN = "Unknown"
REST = "rest"
MAX_LEVELS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One attribute on the usable rows.

    Attributes:
        name: Attribute.
        levels: Its levels in declared order.
        codes: Level of each row, (n,); -1 where the row is in none.
        reference: Level that the policy compares with, or ``rest``.
    """

    name: str
    levels: tuple[str, ...]
    codes: IntArray
    reference: str = REST

    @property
    def occupied(self) -> tuple[int, ...]:
        """Return the levels that have any row."""
        return tuple(np.unique(self.codes[self.codes >= 0]).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A group and whom it is compared with, as masks over the rows."""

    attribute: str
    level: str
    reference: str
    group: BoolArray
    other: BoolArray

    def named(self) -> dict[str, object]:
        """Return the keys that say which comparison a number belongs to, and its group's size."""
        return {
            "attribute": self.attribute,
            "group": {self.attribute: self.level},
            "reference": self.reference,
            "n": int(self.group.sum()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Usable rows of one binary output.

    Attributes:
        frame: The rows as the statistics order them.
        y: Whether the label is positive, (n,).
        called: Whether score >= threshold, (n,); None where no threshold is declared.
        threshold: The declared threshold.
        splits: Declared attributes, in the policy's order; all where it names none.
    """

    frame: Frame
    y: BoolArray
    called: BoolArray | None
    threshold: float | None
    splits: tuple[Split, ...]

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    @property
    def score(self) -> FloatArray:
        """Return the score of each row."""
        return self.frame.score

    def split(self, name: str) -> Split | None:
        """Return one attribute, or None where the data does not have it."""
        return next((split for split in self.splits if split.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One more column of the cases, aligned to the rows of an output before any is dropped.

    Attributes:
        name: Column.
        label: What people call it.
        unit: UCUM unit, or None.
        values: Numbers with NaN where missing, float64 (n,); or level codes with -1.
        levels: Names of the levels; empty for numbers.
        normal: Reference range, or None; either end may be None.
    """

    name: str
    values: FloatArray | IntArray
    label: str = ""
    unit: str | None = None
    levels: tuple[str, ...] = ()
    normal: tuple[float | None, float | None] | None = None

    @property
    def missing(self) -> BoolArray:
        """Return where there is no value, (n,)."""
        if self.levels:
            return np.asarray(self.values < 0)
        return np.asarray(np.isnan(self.values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of the cases beyond labels, scores and groups.

    Attributes:
        columns: Clinical variables.
        second_label: Name and values (n,) of a second measure of need, or None.
        no_second_label: Why the declared one cannot be used, or None.
    """

    columns: tuple[Column, ...] = ()
    second_label: tuple[str, FloatArray] | None = None
    no_second_label: str | None = None


def build_rows(output: ScoredOutput, policy: Policy) -> Rows:
    """Return the rows of a binary output with the groups that the policy declares.

    Raises:
        AuditError: If an output's arrays do not fit together.
    """
    frame = build_frame(output)
    by_name = {item.name: item for item in output.attributes}
    wanted = [name for name in policy.groups if name in by_name] or list(by_name)
    splits = []
    for name in wanted:
        item = by_name[name]
        codes = np.asarray(item.codes, dtype=np.int64)[frame.keep]
        codes[codes >= len(item.levels)] = -1
        split = Split(name=name, levels=item.levels, codes=codes)
        reference = policy.reference.get(name, REST)
        present = {item.levels[code] for code in split.occupied}
        if reference in present:
            split = Split(name=name, levels=item.levels, codes=codes, reference=reference)
        splits.append(split)
    called = None if output.threshold is None else predicted_positive(frame, output.threshold)
    return Rows(
        frame=frame,
        y=frame.positive,
        called=called,
        threshold=output.threshold,
        splits=tuple(splits),
    )


def family_of(rows: Rows, split: Split) -> Family:
    """Return the groups of an attribute as the subgroup audit orders them."""
    codes = np.full(len(rows.frame.keep), -1, dtype=np.int32)
    codes[rows.frame.keep] = split.codes
    return marginal(rows.frame, _Levels(split.name, split.levels, codes), declared=True)


class _Levels(NamedTuple):
    """A split on all rows, the unusable ones included."""

    name: str
    levels: tuple[str, ...]
    codes: npt.NDArray[np.int32]


def pairs_of(split: Split) -> list[Pair]:
    """Return each level with its reference; two levels are one comparison, as in the audit.

    Of more than 50 levels only the largest 50 are compared.
    """
    occupied = split.occupied
    if len(occupied) < 2:  # noqa: PLR2004 - nobody to compare with
        return []
    if split.reference == REST:
        wanted = occupied[:1] if len(occupied) == 2 else occupied  # noqa: PLR2004 - says it all
    else:
        wanted = tuple(code for code in occupied if split.levels[code] != split.reference)
    if len(wanted) > MAX_LEVELS:
        sizes = np.bincount(split.codes[split.codes >= 0], minlength=len(split.levels))
        wanted = tuple(sorted(sorted(wanted, key=lambda code: -sizes[code])[:MAX_LEVELS]))
    out = []
    for code in wanted:
        group = split.codes == code
        other = (split.codes >= 0) & ~group
        if split.reference != REST:
            other = split.codes == split.levels.index(split.reference)
        out.append(
            Pair(
                attribute=split.name,
                level=split.levels[code],
                reference=split.reference,
                group=group,
                other=other,
            )
        )
    return out
