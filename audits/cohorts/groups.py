"""Groups: how a column becomes the levels that are compared."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.spec import GroupKind
from audits.cohorts.tables import as_numbers, column, text_codes, value_text
from audits.errors import StudyError
from audits.types import Finding

UNKNOWN = "Unknown"
MAX_LEVELS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """How a person asked for a group.

    Attributes:
        name: What the run calls the attribute.
        column: Column of the table.
        bands: Inner limits of half-open bands, or empty for the column's own values.
        kind: Demographic, site or clinical.
        levels: Declared order of levels; others follow sorted.
    """

    name: str
    column: str
    bands: tuple[float, ...] = ()
    kind: GroupKind = "demographic"
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attribute:
    """A group attribute of a cohort.

    Attributes:
        name: What the run calls it.
        column: Column it was read from.
        kind: Demographic, site or clinical.
        levels: Names of the levels present; missing values are the last one, ``Unknown``.
        codes: int32 (n,), index into ``levels`` for every case.
    """

    name: str
    column: str
    kind: GroupKind
    levels: tuple[str, ...]
    codes: npt.NDArray[np.int32]

    def with_codes(self, codes: npt.NDArray[np.int32]) -> Attribute:
        """Return the same levels on other rows."""
        return replace(self, codes=codes)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Attribute:
        """Return the attribute of some rows, levels unchanged."""
        return Attribute(
            name=self.name,
            column=self.column,
            kind=self.kind,
            levels=self.levels,
            codes=self.codes[rows],
        )


def parse_group(text: str, columns: Collection[str] | None = None) -> GroupSpec:
    """Read a group as written on the command line.

    Args:
        text: ``COL`` or ``COL:b1,b2,…``.
        columns: Names of the table's columns; a column whose own name holds a colon is matched
            longest first. Without it the last colon separates.

    Raises:
        StudyError: If the bands are no rising numbers, or no column fits.

    Example:
        >>> parse_group("age:20,40").bands
        (20.0, 40.0)
    """
    if columns is not None and text in columns:
        return GroupSpec(name=text, column=text)
    parts = text.split(":")
    for cut in range(len(parts) - 1, 0, -1):
        name, tail = ":".join(parts[:cut]), ":".join(parts[cut:])
        if columns is None or name in columns:
            return GroupSpec(name=name, column=name, bands=_bands(name, tail))
    if len(parts) > 1:  # no such column: name it without its bands, so that the error can suggest
        return parse_group(text)
    return GroupSpec(name=text, column=text)


def _bands(name: str, text: str) -> tuple[float, ...]:
    try:
        limits = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise StudyError(
            f"Group {name!r}: the bands after the colon must be numbers, found {text!r}; "
            f"write them as {name}:20,40."
        ) from None
    check_bands(name, limits)
    return limits


def check_bands(name: str, limits: Sequence[float]) -> None:
    """Refuse bands that do not rise.

    Raises:
        StudyError: If a limit is not finite or not above the one before it.
    """
    rising = all(low < high for low, high in itertools.pairwise(limits))
    if not rising or not np.isfinite(limits).all():
        shown = ",".join(value_text(limit) for limit in limits)
        raise StudyError(
            f"Group {name!r}: band limits must be finite and rise, found {shown}; "
            "sort them and write each once."
        )


def resolve_groups(
    groups: Sequence[str], intersections: Sequence[Sequence[str]], columns: Collection[str]
) -> tuple[list[GroupSpec], tuple[tuple[str, ...], ...]]:
    """Read what a person asked to be compared.

    Args:
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names; bands are those of ``groups``.
        columns: Names of the table's columns.

    Returns:
        Groups in order, then what only an intersection names; and the names that are crossed.

    Raises:
        StudyError: If a column is cut in two ways, or an intersection has fewer than two columns.
    """
    known: dict[str, GroupSpec] = {}
    for text in dict.fromkeys(groups):
        spec = parse_group(text, columns)
        if spec.name in known:
            raise StudyError(
                f"The group {spec.name!r} is asked for twice with different bands; keep one."
            )
        known[spec.name] = spec
    crossed = tuple(_crossed(members, columns, known) for members in intersections)
    return list(known.values()), crossed


def _crossed(
    members: Sequence[str], columns: Collection[str], known: dict[str, GroupSpec]
) -> tuple[str, ...]:
    names = []
    for text in members:
        spec = parse_group(text, columns)
        if spec.bands and spec.bands != known.get(spec.name, spec).bands:
            raise StudyError(
                f"The intersection of {', '.join(members)} cuts {spec.name!r} otherwise than its "
                "group does; write the bands once, at the group."
            )
        known.setdefault(spec.name, spec)
        names.append(spec.name)
    if len(set(names)) != len(names) or len(names) < 2:  # noqa: PLR2004 - two to cross
        raise StudyError(
            f"An intersection crosses at least two different columns, found "
            f"{', '.join(members) or 'none'}; name two or more."
        )
    return tuple(names)


def read_attribute(spec: GroupSpec, frame: pd.DataFrame, where: str) -> Attribute:
    """Read a group's levels out of a table.

    Raises:
        StudyError: If the column is missing, is no number though bands were asked for, or has
            more than 1,000 levels.
    """
    values = column(frame, spec.column, where)
    if spec.bands:
        levels, codes = _banded(spec, values, where)
    else:
        levels, codes = _levelled(spec, values, where)
    return Attribute(
        name=spec.name,
        column=spec.column,
        kind=spec.kind,
        levels=levels,
        codes=codes.astype(np.int32),
    )


def one_level_finding(attribute: Attribute) -> tuple[Finding, ...]:
    """Say where a group has nothing to compare."""
    if len(attribute.levels) > 1:
        return ()
    only = attribute.levels[0]
    what = "no value at all" if only == UNKNOWN else f"the one level {only!r}"
    return (
        Finding(
            severity="warning",
            where=f"groups.{attribute.name}",
            message=f"The column {attribute.column!r} has {what}, so nothing can be compared.",
        ),
    )


def band_names(limits: Sequence[float]) -> tuple[str, ...]:
    """Name half-open bands with open outer ones.

    Example:
        >>> band_names((20, 40))
        ('<20', '20-<40', '>=40')
    """
    texts = [value_text(float(limit)) for limit in limits]
    inner = [f"{low}-<{high}" for low, high in itertools.pairwise(texts)]
    return (f"<{texts[0]}", *inner, f">={texts[-1]}")


def _banded(
    spec: GroupSpec, values: pd.Series, where: str
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    check_bands(spec.name, spec.bands)
    numbers = as_numbers(values, where=where, name=spec.column, need="is cut into bands")
    names = (*band_names(spec.bands), UNKNOWN)
    codes = np.searchsorted(np.array(spec.bands), numbers, side="right")
    codes[np.isnan(numbers)] = len(names) - 1
    return _drop_empty(names, codes)


def _levelled(
    spec: GroupSpec, values: pd.Series, where: str
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    codes, distinct, texts = text_codes(values)
    order = [*spec.levels, *_natural_order(values, distinct, texts)]
    names = [*dict.fromkeys(name for name in order if name != UNKNOWN), UNKNOWN]
    if len(names) > MAX_LEVELS + 1:
        raise StudyError(
            f"{where}: the group column {spec.column!r} has {len(names) - 1:,} different values, "
            f"at most {MAX_LEVELS:,} can be compared; cut it into bands or name another column."
        )
    rank = {name: index for index, name in enumerate(names)}
    table = np.array([*(rank.get(text, len(names) - 1) for text in texts), len(names) - 1])
    return _drop_empty(tuple(names), table[codes])


def _natural_order(values: pd.Series, distinct: list[object], texts: list[str]) -> list[str]:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        return [value_text(value) for value in dtype.categories]
    shown = [text for text in texts if text.strip()]
    if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in distinct):
        return sorted(shown, key=float)
    return sorted(shown)


def _drop_empty(
    names: tuple[str, ...], codes: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    present = np.bincount(codes, minlength=len(names)) > 0
    renumber = np.cumsum(present) - 1
    kept = tuple(name for name, here in zip(names, present, strict=True) if here)
    return kept, renumber[codes]
