"""Who plays in each input of a case, and the one game that all inputs make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley import FieldsGame

if TYPE_CHECKING:
    from audits.explanations.request import Request

Ints = npt.NDArray[np.int64]

# Networks over steps and words run fastest in batches that stay in cache: measured at 250 to
# 4,000 rows, a thousand is best or near it for each of ours.
ROWS_PER_CALL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """One part of an input.

    Attributes:
        name: Unique within the explanation.
        label: Words a clinician uses.
        value: The case's value, ``"not measured"``, or None.
        unit: UCUM unit of the value.
        low: Lower end of the reference range.
        high: Upper end.
        code: LOINC or another code.
    """

    name: str
    label: str
    value: float | str | None = None
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The players of one input.

    Attributes:
        field: Name of the input.
        owners: Who owns each cell, broadcastable to one prepared row, numbered from 0.
        players: Finest players, in the order of their numbers.
        levels: Groups above them, coarsest first, (players,) each.
        background: Prepared rows that fill what is left out.
    """

    field: str
    owners: Ints
    players: tuple[Player, ...]
    levels: tuple[Ints, ...]
    background: Any


def joint_game(request: Request, layouts: Sequence[Layout]) -> FieldsGame:
    """Return the game of one case over several inputs; players are numbered input by input."""
    owners: dict[str, Ints] = {}
    start = 0
    for layout in layouts:
        owners[layout.field] = layout.owners + start
        start += len(layout.players)
    return FieldsGame(
        predict=request.predict,
        cases=request.prepared,
        background={layout.field: layout.background for layout in layouts},
        player_of_cell=owners,
        players=start,
        rows_per_call=ROWS_PER_CALL,
    )


def merged(layout: Layout, depth: int, players: Sequence[Player]) -> Layout:
    """Return a layout whose players are the groups of one of its levels."""
    level = layout.levels[depth]
    return Layout(
        field=layout.field,
        owners=level[layout.owners],
        players=tuple(players),
        levels=(),
        background=layout.background,
    )


def rows_of(value: Any, count: int) -> Any:
    """Return the only row of a prepared input, repeated as a background of ``count`` rows."""
    if isinstance(value, np.ndarray):
        return np.repeat(value[:1], count, axis=0)
    return value[:1].repeat(count, *([1] * (value.ndim - 1)))


def plain_error(errors: Mapping[int, float] | npt.NDArray[np.float64], place: int) -> float | None:
    """Return a standard error, or None where it is not known."""
    value = float(errors[place])
    return None if np.isnan(value) else value
