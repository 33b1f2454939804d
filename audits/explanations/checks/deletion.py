"""Does the map point at what moves the score? Deletion, ranked among shifted copies of the map.

Deletion and insertion after Petsiuk, Das and Saenko (BMVC 2018): pixels are taken away, or given
back to a blurred image, in the order of the map, and the curve of the probability is averaged. The
probability and not its log-odds: a network's log-odds wander by many units on images of which half
is blank, and would drown what a small lesion does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.mappers import on_pixels
from audits.explanations.pixels.occlusion import (
    blurred,
    channel_mean,
    evaluate_variants,
    kept_or_filled,
)

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter, OutputSpec

SHIFTS = 19
DELETED = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Shares of the pixels taken away: close together where a small finding goes first."""
GIVEN_BACK = (0.2, 0.4, 0.6, 0.8)

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRank:
    """Where a map stands among copies of itself that point elsewhere.

    Attributes:
        p: Rank over number of maps; 0.05 where it beats all 19.
        z: Distance to the copies in their standard deviations, positive is better than they are;
            displayed, decides nothing.
        area: Mean of the curve, on the probability scale where the output has one.
        null: The same of the copies, (shifts,).
    """

    p: float
    z: float
    area: float
    null: npt.NDArray[np.float64]

    @property
    def text(self) -> str:
        """Return area, null and z in words."""
        return (
            f"mean of the curve {self.area:.3g}, of {len(self.null)} shifted copies "
            f"{self.null.mean():.3g}, z {self.z:.1f}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedMap:
    """A map's pixel order and that of its shifted copies, for one output of one case.

    Attributes:
        adapter: The model.
        case: One prepared case.
        field: The image.
        index: Which output.
        ranks: Each pixel's rank in [0, 1), 0 the most important; the map's own first.
    """

    adapter: ModelAdapter
    case: Mapping[str, Any]
    field: str
    index: int
    ranks: tuple[npt.NDArray[np.float64], ...]

    def deletion(self) -> MapRank:
        """Take pixels away in the order of the maps; the image's own mean stands in for them."""
        image = self.case[self.field][0]
        areas = self._areas(image, channel_mean(image), DELETED, delete=True)
        return _placed(areas, sign=1)

    def insertion(self) -> MapRank:
        """Give pixels back to the blurred image in the order of the maps."""
        image = self.case[self.field][0]
        areas = self._areas(image, blurred(image), GIVEN_BACK, delete=False)
        return _placed(areas, sign=-1)

    def _areas(
        self, image: Any, fill: Any, shares: Sequence[float], *, delete: bool
    ) -> npt.NDArray[np.float64]:
        """Return the mean of each map's curve, (maps,)."""
        steps = len(shares)

        def changed(number: int) -> Any:
            gone = self.ranks[number // steps] < shares[number % steps]
            return kept_or_filled(image, fill, ~gone if delete else gone)

        numbers = range(len(self.ranks) * steps)
        values = evaluate_variants(self.adapter, self.case, self.field, numbers, changed)
        curve = shown_scale(values, self.adapter.output)[:, self.index]
        return np.asarray(curve.reshape(len(self.ranks), steps).mean(axis=1))


def copied_map(
    adapter: ModelAdapter,
    case: Mapping[str, Any],
    field: str,
    index: int,
    native: npt.NDArray[np.floating],
    *,
    seed: int = 0,
) -> CopiedMap:
    """Return a map with its shifted copies.

    Copies keep the map's shape and smoothness, so that being a blob is no merit.

    Args:
        adapter: The model.
        case: One prepared case.
        field: The image.
        index: Which output.
        native: The signed map on any grid.
        seed: Seed of the shifts.
    """
    spatial = tuple(int(size) for size in case[field].shape[2:])
    pixels = on_pixels(native, spatial)
    copies = shifted_copies(pixels, native.shape, seed)
    ranks = tuple(pixel_ranks(values) for values in (pixels, *copies))
    return CopiedMap(adapter=adapter, case=case, field=field, index=index, ranks=ranks)


def deletion_rank(
    adapter: ModelAdapter,
    case: Mapping[str, Any],
    field: str,
    index: int,
    native: npt.NDArray[np.floating],
    *,
    seed: int = 0,
) -> MapRank:
    """Rank a map by deletion; see :func:`copied_map` for the arguments."""
    return copied_map(adapter, case, field, index, native, seed=seed).deletion()


def shown_scale(values: npt.NDArray[np.float64], output: OutputSpec) -> npt.NDArray[np.float64]:
    """Return explained scores as probabilities where they are log-odds, else unchanged.

    Args:
        values: (n, outputs) on the explained scale.
        output: The model's outputs.
    """
    if output.space not in {"logit", "probability"}:
        return values
    from model_adapters.spaces import squash

    return squash(values, exclusive=output.task == "multiclass" and output.space == "logit")


def shifted_copies(
    pixels: npt.NDArray[Value], grid: tuple[int, ...], seed: int
) -> list[npt.NDArray[Value]]:
    """Return a map moved to 19 other places of the torus, spread as evenly as they can be.

    The moves form a group of 20 with the map's own place, so that a map that lies anywhere at
    random is as likely to be first as each of its copies: p is exact (Hemerik and Goeman, TEST 27,
    2018). Copies drawn one by one are not: those that may not lie on the map itself leave its
    neighbourhood to it alone, and a single blob then passes too often. Along one axis the copies
    are ten places of the map and of its mirror image, twenty places being too close together.

    Args:
        pixels: The map, (*spatial).
        grid: Cells of the map as it was computed, which say what is far.
        seed: Which of the best groups is taken.
    """
    axes = tuple(range(pixels.ndim))
    size = np.array(pixels.shape)
    if pixels.ndim == 1:
        moves = [round(step * int(size[0]) / 10) for step in range(10)]
        return [np.roll(one, move) for one in (pixels, pixels[::-1]) for move in moves][1:]
    steps = _spread_steps(tuple(min(cells, 8) for cells in grid))
    chosen = steps[np.random.default_rng(seed).integers(len(steps))]
    turns = np.arange(1, SHIFTS + 1)[:, None] * chosen % (SHIFTS + 1) / (SHIFTS + 1)
    offsets = np.rint(turns * size).astype(int)
    return [np.roll(pixels, tuple(offset), axes) for offset in offsets]


@lru_cache(maxsize=32)
def _spread_steps(grid: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the steps, (found, axes), whose 20 multiples lie furthest apart, counted in cells."""
    order = SHIFTS + 1
    steps = np.stack(np.meshgrid(*[np.arange(order)] * len(grid), indexing="ij"), axis=-1)
    steps = steps.reshape(-1, len(grid))
    places = np.arange(1, order)[:, None, None] * steps % order / order
    cells = np.minimum(places, 1 - places) * np.array(grid)
    nearest = (cells**2).sum(axis=2).min(axis=0)
    return np.asarray(steps[nearest >= 0.81 * nearest.max()])


def _placed(areas: npt.NDArray[np.float64], *, sign: int) -> MapRank:
    """Return the rank of the first curve's mean; with sign 1 less is better, with -1 more."""
    own, null = float(areas[0]), areas[1:]
    spread = float(null.std())
    return MapRank(
        p=float((1 + (sign * null <= sign * own).sum()) / len(areas)),
        z=float(sign * (null.mean() - own) / spread) if spread > 0 else 0.0,
        area=own,
        null=null,
    )


def pixel_ranks(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return each pixel's rank in [0, 1), 0 the most important; ties in a fixed order."""
    order = np.argsort(-values.ravel(), kind="stable")
    ranks = np.empty(values.size)
    ranks[order] = np.arange(values.size) / values.size
    return ranks.reshape(values.shape)
