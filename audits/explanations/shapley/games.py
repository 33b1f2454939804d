"""Games: who plays, and what the model says of a case of which some parts come from another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

Values = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

# Measured on two-core machines: 2^11 hybrid rows a call keep an MLP in cache, 2^13 run at 0.85 of
# its rate; and 2^21 cells a call mix a wide table four times as fast as 2^25.
ROWS_PER_CALL = 1 << 11
CELLS_PER_CALL = 1 << 21
ROWS_PER_CALL_ON_GPU = 1 << 18


class Game(Protocol):
    """What the estimators need: sizes, and values of hybrids of cases and background rows."""

    @property
    def players(self) -> int:
        """Return the number of players."""
        ...

    @property
    def rows(self) -> int:
        """Return the number of explained cases."""
        ...

    @property
    def backgrounds(self) -> int:
        """Return the number of background rows."""
        ...

    def at_rows(self) -> Values:
        """Return f of the cases, (rows, outputs)."""
        ...

    def at_background(self) -> Values:
        """Return f of the background, (backgrounds, outputs)."""
        ...

    def hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        """Return f of every case with every mask, (rows, masks, outputs).

        Args:
            rows: Which cases.
            background: (m,) the background row that fills what a mask leaves out.
            masks: (m, players), True where the player keeps the case's own values.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FieldsGame:
    """Players own cells of one or more inputs; cells of an input that is not played stay.

    Masking happens on the encoded input but always for a whole player, so the one-hot levels, the
    missing indicator and the value of one variable never part. A player may own cells of several
    inputs, as a whole modality does.

    Attributes:
        predict: Maps field name -> batch to (n, outputs) on the explained scale.
        cases: Field name -> n rows, tensors or arrays.
        background: Played field -> K rows, same type; row k of every field is the same patient.
        player_of_cell: Played field -> int, broadcastable to one row: who owns each cell.
        players: Number of players.
        rows_per_call: Hybrid rows per call of ``predict``; fewer where rows are wide.
    """

    predict: Callable[[Mapping[str, Any]], Values]
    cases: Mapping[str, Any]
    background: Mapping[str, Any]
    player_of_cell: Mapping[str, Indices]
    players: int
    rows_per_call: int = ROWS_PER_CALL
    _cache: dict[str, Values] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        played = ", ".join(repr(name) for name in self.player_of_cell)
        sizes = {len(self.background[name]) for name in self.player_of_cell}
        if 0 in sizes or len(sizes) != 1:
            raise ExplanationError(
                f"background of {played}: found {'no' if 0 in sizes else 'unequal numbers of'} "
                "rows; give at least one case, and the same cases for every input"
            )
        owners = np.unique(np.concatenate([np.unique(o) for o in self.player_of_cell.values()]))
        if not np.array_equal(owners, np.arange(self.players)):
            raise ExplanationError(
                f"players of {played}: expected every one of {self.players} to own a cell "
                f"and every cell to have an owner, found owners {owners.min()} to {owners.max()}; "
                "check the columns of the model's features"
            )

    @property
    def rows(self) -> int:
        """Return the number of explained cases."""
        return len(next(iter(self.cases.values())))

    @property
    def backgrounds(self) -> int:
        """Return the number of background rows."""
        return len(self.background[next(iter(self.player_of_cell))])

    def at_rows(self) -> Values:
        """Return f of the cases, (rows, outputs)."""
        if "rows" not in self._cache:
            self._cache["rows"] = _in_chunks(self.predict, self.cases, self.rows_per_call)
        return self._cache["rows"]

    def at_background(self) -> Values:
        """Return f of the background rows, (backgrounds, outputs).

        Raises:
            ExplanationError: If other fields vary between cases: then there is no one background
                score, and cases must be explained one by one.
        """
        if "background" not in self._cache:
            if len(self.cases) > len(self.player_of_cell) and self.rows > 1:
                raise ExplanationError(
                    f"background of {', '.join(map(repr, self.player_of_cell))}: the model has "
                    "other inputs, which differ between the cases; explain one case at a time"
                )
            whole = {
                name: self.background[name]
                if name in self.player_of_cell
                else _take(value, np.zeros(self.backgrounds, dtype=np.int64))
                for name, value in self.cases.items()
            }
            self._cache["background"] = _in_chunks(self.predict, whole, self.rows_per_call)
        return self._cache["background"]

    def hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        """Return f of every case with every mask, (rows, masks, outputs)."""
        wide = max(_cells(self.background[name]) for name in self.player_of_cell)
        cells = CELLS_PER_CALL * max(1, self.rows_per_call // ROWS_PER_CALL)
        per_call = max(1, min(self.rows_per_call, cells // wide) // len(rows))
        parts = [
            self._hybrids(rows, background[start : start + per_call], masks[start:][:per_call])
            for start in range(0, len(masks), per_call)
        ]
        return np.concatenate(parts, axis=1)

    def _hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        batch = {}
        for name, value in self.cases.items():
            if name in self.player_of_cell:
                keep = masks[:, self.player_of_cell[name]]
                own, other = _take(value, rows), _take(self.background[name], background)
                batch[name] = _mix(keep, own, other)
            else:
                batch[name] = _take(value, np.repeat(rows, len(masks)))
        return self.predict(batch).reshape(len(rows), len(masks), -1)


def _mix(keep: Masks, own: Any, other: Any) -> Any:
    """Return every own row under every mask, (rows * masks, *cells)."""
    if isinstance(own, np.ndarray):
        mixed = np.where(keep[None], own[:, None], other[None])
        return mixed.reshape(-1, *own.shape[1:])
    import torch

    kept = torch.as_tensor(keep, device=own.device)
    return torch.where(kept[None], own[:, None], other[None]).flatten(0, 1)


def _take(values: Any, indices: Indices) -> Any:
    if isinstance(values, np.ndarray):
        return values[indices]
    import torch

    return values[torch.as_tensor(indices, device=values.device)]


def _in_chunks(
    predict: Callable[[Mapping[str, Any]], Values], batch: Mapping[str, Any], rows_per_call: int
) -> Values:
    count = len(next(iter(batch.values())))
    return np.concatenate(
        [
            predict({name: value[start : start + rows_per_call] for name, value in batch.items()})
            for start in range(0, count, rows_per_call)
        ]
    )


def _cells(rows: Any) -> int:
    """Return how many numbers one row holds."""
    return max(1, int(np.prod(rows.shape[1:])))


def cell_game(  # noqa: PLR0913 - the parts of a game, all by keyword
    *,
    predict: Callable[[Mapping[str, Any]], Values],
    field: str,
    cases: Mapping[str, Any],
    background: Any,
    player_of_cell: Indices,
    players: int,
    rows_per_call: int = ROWS_PER_CALL,
) -> FieldsGame:
    """Return the game of one input: columns of a table, cells of a sequence, pixels of an image.

    Args:
        predict: Maps field name -> batch to (n, outputs) on the explained scale.
        field: The input that is played; others stay the case's own.
        cases: Field name -> n rows.
        background: K rows of the played input.
        player_of_cell: Broadcastable to one row of it: who owns each cell.
        players: Number of players.
        rows_per_call: Hybrid rows per call of ``predict``.
    """
    return FieldsGame(
        predict=predict,
        cases=cases,
        background={field: background},
        player_of_cell={field: player_of_cell},
        players=players,
        rows_per_call=rows_per_call,
    )
