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

# Measured on two-core machines: 2^11 to 2^14 hybrid rows a call keep an MLP in cache; larger
# batches run at less than half the rate.
ROWS_PER_CALL = 1 << 13


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
class CellGame:
    """Players own cells of one input: columns of a table, cells of a sequence, pixels of an image.

    Masking happens on the encoded input but always for a whole player, so the one-hot levels, the
    missing indicator and the value of one variable never part.

    Attributes:
        predict: Maps field name -> batch to (n, outputs) on the explained scale.
        field: The field that is played; other fields stay the case's own.
        cases: Field name -> n rows, tensors or arrays.
        background: K rows of the played field, same type.
        player_of_cell: int, broadcastable to one row of the played field: who owns each cell.
        players: Number of players.
        rows_per_call: Hybrid rows per call of ``predict``.
    """

    predict: Callable[[Mapping[str, Any]], Values]
    field: str
    cases: Mapping[str, Any]
    background: Any
    player_of_cell: Indices
    players: int
    rows_per_call: int = ROWS_PER_CALL
    _cache: dict[str, Values] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        owners = np.unique(self.player_of_cell)
        if len(self.background) == 0:
            raise ExplanationError(
                f"background of {self.field!r}: found no rows; give at least one case"
            )
        if not np.array_equal(owners, np.arange(self.players)):
            raise ExplanationError(
                f"players of {self.field!r}: expected every one of {self.players} to own a cell "
                f"and every cell to have an owner, found owners {owners.min()} to {owners.max()}; "
                "check the columns of the model's features"
            )

    @property
    def rows(self) -> int:
        """Return the number of explained cases."""
        return len(self.cases[self.field])

    @property
    def backgrounds(self) -> int:
        """Return the number of background rows."""
        return len(self.background)

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
            if len(self.cases) > 1 and self.rows > 1:
                raise ExplanationError(
                    f"background of {self.field!r}: the model has other inputs, which differ "
                    "between the cases; explain one case at a time"
                )
            whole = {
                name: _take(value, np.zeros(self.backgrounds, dtype=np.int64))
                for name, value in self.cases.items()
                if name != self.field
            }
            whole[self.field] = self.background
            self._cache["background"] = _in_chunks(self.predict, whole, self.rows_per_call)
        return self._cache["background"]

    def hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        """Return f of every case with every mask, (rows, masks, outputs)."""
        per_call = max(1, self.rows_per_call // len(rows))
        parts = [
            self._hybrids(rows, background[start : start + per_call], masks[start:][:per_call])
            for start in range(0, len(masks), per_call)
        ]
        return np.concatenate(parts, axis=1)

    def _hybrids(self, rows: Indices, background: Indices, masks: Masks) -> Values:
        keep = masks[:, self.player_of_cell]
        own = _take(self.cases[self.field], rows)
        mixed = _mix(keep, own, _take(self.background, background))
        batch = {
            name: _take(value, np.repeat(rows, len(masks)))
            for name, value in self.cases.items()
            if name != self.field
        }
        batch[self.field] = mixed
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
