"""Rows put in the order that a comparison reads them in, once for all outputs.

A sum over rows does not care for their order, the memory does: with the rows of a patient, or of
a crossing of all attributes, side by side, every later pass over a group reads neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Ints, LastRows, Layout, LayoutMaker
from audits.comparison.pair import Pair
from audits.fairness.types import Grouping

_NARROW = 32_767
"""Codes up to here sort in linear time."""


@dataclass(frozen=True, slots=True)
class _Codes:
    """An attribute's codes in the new order."""

    name: str
    levels: tuple[str, ...]
    codes: npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """The layout of rows in their new order.

    Attributes:
        layout: Groups and patients of the rows so ordered.
        order: Old place of each row, (n,); None where rows stay as they are.
    """

    layout: Layout
    order: Ints | None

    def pair(self, pair: Pair) -> Pair:
        """Return both versions' scores with the rows in the new order."""
        if self.order is None:
            return pair
        return replace(
            pair,
            y=pair.y[self.order],
            base=pair.base[self.order],
            candidate=pair.candidate[self.order],
        )


class Arranger:
    """Hands out the order of rows and their layout, the last one again where nothing changed.

    Args:
        maker: Makes the layouts.
        used: Names of the attributes that any split uses.
    """

    def __init__(self, maker: LayoutMaker, used: Sequence[str]) -> None:
        self._maker, self._used = maker, frozenset(used)
        self._rows = LastRows()
        self._last: Arranged | None = None

    def arranged(
        self, n: int, patients: npt.NDArray[Any] | None, attributes: Sequence[Grouping]
    ) -> Arranged:
        """Return the layout of n rows, as :meth:`LayoutMaker.layout`, in the order for it.

        Args:
            n: Number of rows.
            patients: (n,) patient codes, or None where rows are independent.
            attributes: Attributes with (n,) level codes; a negative code is in no group.
        """
        if self._rows.again(n, patients, attributes) and self._last is not None:
            return self._last
        named = [one for one in attributes if one.name in self._used]
        order = _order(n, patients, named)
        taken = [_Codes(one.name, tuple(one.levels), np.asarray(one.codes)[order]) for one in named]
        layout = self._maker.layout(n, None if patients is None else patients[order], taken)
        self._last = Arranged(layout=layout, order=order)
        return self._last


def _order(n: int, patients: npt.NDArray[Any] | None, attributes: Sequence[Grouping]) -> Ints:
    """Return the rows by crossing of all attributes, and by patient where patients repeat."""
    cell, cells = np.zeros(n, dtype=np.int64), 1
    for one in attributes:
        size = len(one.levels) + 1
        if cells * size > _NARROW:
            break
        cell, cells = cell * size + (np.asarray(one.codes, dtype=np.int64) + 1), cells * size
    order = np.argsort(cell.astype(np.int16), kind="stable")
    if patients is None or len(np.unique(patients)) == n:
        return order
    return order[np.argsort(np.asarray(patients)[order], kind="stable")]
