"""Who moves to another risk band between versions, apart for those with and without the outcome.

Moves up among cases with the outcome, and down among those without, are what one wishes for. The
two are never added up: the sum, the net reclassification index, hides which side paid (Hilden &
Gerds, Statistics in Medicine 33 (2014) 3405-3414).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.comparison.layout import Floats, Ints, Layout, Split
from audits.comparison.mcnemar import sign_flip_p, tango_interval
from audits.types import Estimate

SIDES = ("positives", "negatives")


def band_of(score: Floats, edges: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Return the band of each risk: half-open, 0 below the first edge."""
    return np.searchsorted(np.asarray(edges), score, side="right").astype(np.uint8)


def reclassified(
    layout: Layout,
    split: Split,
    y: npt.NDArray[Any],
    bands: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    count: int,
) -> list[dict[str, Any]]:
    """Return the cross table of bands and the net move of each group of a split.

    Args:
        layout: Who the rows belong to.
        split: The groups.
        y: (n,) labels.
        bands: (n,) band of each row under base and candidate.
        count: Number of bands.
    """
    positive = np.asarray(y) == 1
    cell = (split.code * 2 + ~positive) * count * count + bands[0].astype(np.int64) * count
    cell += bands[1]
    table = np.bincount(cell, minlength=(split.size + 1) * 2 * count * count)
    table = table[: split.size * 2 * count * count].reshape(split.size, 2, count, count)
    direction = np.sign(bands[1].astype(np.int64) - bands[0].astype(np.int64))
    pairs = [split.to_pairs(np.where(side, direction, 0)) for side in (positive, ~positive)]
    return [
        {
            side: _side(layout, split, group, table[group, at], pairs[at])
            for at, side in enumerate(SIDES)
        }
        for group in range(split.size)
    ]


def _side(layout: Layout, split: Split, group: int, table: Ints, pairs: Floats) -> dict[str, Any]:
    n, up = int(table.sum()), int(np.triu(table, 1).sum())
    down = int(np.tril(table, -1).sum())
    moves = np.rint(pairs[split.bounds[group] : split.bounds[group + 1]]).astype(np.int64)
    if n == 0:
        return {"table": table.tolist(), "up": 0, "down": 0, "n": 0, "net": None, "p": None}
    deff = _design_effect(layout, moves, up + down, n)
    low, high = tango_interval(up / deff, down / deff, n / deff)
    net = Estimate(
        value=(up - down) / n,
        low=float(low),
        high=float(high),
        n=n,
        deff=deff,
        method="tango" if deff == 1.0 else "tango on effective counts",
    )
    return {
        "table": table.tolist(),
        "up": up,
        "down": down,
        "n": n,
        "net": net.to_dict(),
        "p": sign_flip_p(moves),
    }


def _design_effect(layout: Layout, moves: Ints, moved: int, n: int) -> float:
    """Return how much patients that move with several rows inflate the variance, at least 1."""
    if not layout.clustered or moved == 0:
        return 1.0
    drift = (float(moves.sum()) / n) ** 2 * n
    alone = moved - drift
    return max(1.0, (float(np.sum(moves**2)) - drift) / alone) if alone > 0 else 1.0
