"""Rows put in the order that a comparison reads them in, once for all outputs.

A sum over rows does not care for their order, the memory does: with the rows of a patient, or of
a crossing of all attributes, side by side, every later pass over a group reads neighbours. Rows
that are a patient each are ordered by label and calls as well, within their crossing: no group
changes by it, and every sum over such cells is one over neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Ints, LastRows, Layout, LayoutMaker
from audits.comparison.pair import Pair
from audits.comparison.sums import CELLS
from audits.fairness.types import Grouping

_NARROW = np.iinfo(np.int16).max // CELLS
"""Crossings up to here sort in linear time together with label and calls."""


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
        crossing: Crossing of each row in its old place, (n,), where rows are a patient each: any
            order within a crossing suits the layout.
    """

    layout: Layout
    order: Ints | None
    crossing: npt.NDArray[np.int16] | None = None

    def pair(self, pair: Pair) -> Pair:
        """Return both versions' scores with the rows in the new order."""
        order = self.order
        if order is None:
            return pair
        if self.crossing is not None:
            order = np.argsort(self.crossing * CELLS + pair.cells, kind="stable")
        return replace(
            pair, y=pair.y[order], base=pair.base[order], candidate=pair.candidate[order]
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
        crossing = _crossing(n, named)
        order = np.argsort(crossing, kind="stable")
        repeated = patients is not None and len(np.unique(patients)) < n
        if repeated:
            order = order[np.argsort(np.asarray(patients)[order], kind="stable")]
        taken = [_Codes(one.name, tuple(one.levels), np.asarray(one.codes)[order]) for one in named]
        layout = self._maker.layout(n, None if patients is None else patients[order], taken)
        self._last = Arranged(layout=layout, order=order, crossing=None if repeated else crossing)
        return self._last


def _crossing(n: int, attributes: Sequence[Grouping]) -> npt.NDArray[np.int16]:
    """Return the crossing of all attributes that each row is in, as far as there are few."""
    cell, cells = np.zeros(n, dtype=np.int16), 1
    for one in attributes:
        size = len(one.levels) + 1
        if cells * size > _NARROW:
            break
        cell, cells = cell * size + (np.asarray(one.codes).astype(np.int16) + 1), cells * size
    return cell.astype(np.int16)
