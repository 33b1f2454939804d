"""Who moves to another risk band between versions, apart for those with and without the outcome.

Moves up among cases with the outcome, and down among those without, are what one wishes for. The
two are never added up: the sum, the net reclassification index, hides which side paid (Hilden &
Gerds, Statistics in Medicine 33 (2014) 3405-3414).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Floats, Ints, Layout, Split
from audits.comparison.mcnemar import exact_mcnemar, sign_flip_p, tango_interval
from audits.types import Estimate

SIDES = ("positives", "negatives")


def band_of(score: Floats, edges: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Return the band of each risk: half-open, 0 below the first edge."""
    out = np.zeros(len(score), dtype=np.uint8)
    for edge in edges:
        out += score >= edge
    return out


class Reclassification:
    """Counts moves between bands in the groups of any split, from cells that are made once.

    Args:
        layout: Who the rows belong to.
        y: (n,) labels.
        bands: (n,) band of each row under base and candidate.
        count: Number of bands.
    """

    def __init__(
        self,
        layout: Layout,
        y: npt.NDArray[Any],
        bands: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
        count: int,
    ) -> None:
        self._layout, self._bands = layout, bands
        self._positive = np.asarray(y) == 1
        self._shape = (2, count, count)
        self._cell = (~self._positive * count + bands[0].astype(np.int64)) * count + bands[1]
        self._joint: Ints | None = None
        if layout.joint is not None:
            self._joint = self._counted(*layout.joint)

    def _counted(self, code: Ints, size: int) -> Ints:
        width = int(np.prod(self._shape))
        table = np.bincount(code * width + self._cell, minlength=size * width)
        return table.reshape(size, *self._shape)

    def moves(self, split: Split) -> list[dict[str, Any]]:
        """Return the cross table of bands and the net move of each group of a split."""
        if self._joint is not None:
            table = split.from_joint(self._joint)
        else:
            table = self._counted(split.code, split.size + 1)
        moves: list[Floats | None] = [None, None]
        if self._layout.clustered:
            base, candidate = (band.astype(np.int64) for band in self._bands)
            direction = np.sign(candidate - base)
            sides = (self._positive, ~self._positive)
            moves = [split.to_pairs(np.where(side, direction, 0)) for side in sides]
        found = [_sides(split, table[: split.size, at], moves[at]) for at in range(len(SIDES))]
        return [
            {side: found[at][group] for at, side in enumerate(SIDES)} for group in range(split.size)
        ]


def _sides(split: Split, table: Ints, moves: Floats | None) -> list[dict[str, Any]]:
    """Return the moves of one side in every group; ``moves`` by pair where patients repeat."""
    n = table.sum(axis=(1, 2))
    up = np.triu(table, 1).sum(axis=(1, 2))
    down = np.tril(table, -1).sum(axis=(1, 2))
    if moves is None:
        deff = np.ones(split.size)
        p = [exact_mcnemar(*pair) for pair in zip(up.tolist(), down.tolist(), strict=True)]
    else:
        by_group = [
            np.rint(moves[start:end]).astype(np.int64)
            for start, end in pairwise(split.bounds.tolist())
        ]
        deff = np.array([_design_effect(*one) for one in zip(by_group, up + down, n, strict=True)])
        p = [sign_flip_p(one) for one in by_group]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = tango_interval(up / deff, down / deff, n / deff)
        net = (up - down) / n
    return [
        {
            "table": table[at].tolist(),
            "up": int(up[at]),
            "down": int(down[at]),
            "n": int(n[at]),
            "net": Estimate(
                value=float(net[at]),
                low=float(low[at]),
                high=float(high[at]),
                n=int(n[at]),
                deff=float(deff[at]),
                method="tango" if deff[at] == 1.0 else "tango on effective counts",
            ).to_dict()
            if n[at]
            else None,
            "p": p[at] if n[at] else None,
        }
        for at in range(split.size)
    ]


def _design_effect(moves: Ints, moved: int, n: int) -> float:
    """Return how much patients that move with several rows inflate the variance, at least 1."""
    if moved == 0:
        return 1.0
    drift = (float(moves.sum()) / n) ** 2 * n
    alone = moved - drift
    return max(1.0, (float(np.sum(moves**2)) - drift) / alone) if alone > 0 else 1.0
