"""What is segmented, how large it is, and what happens to it when the image is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.deletion import SHIFTS, shifted_copies
from audits.explanations.checks.mappers import on_pixels
from audits.explanations.pixels.occlusion import channel_mean, evaluate_variants, kept_or_filled
from audits.explanations.segmentation.regions import Mask
from audits.explanations.segmentation.scores import RegionScores

if TYPE_CHECKING:
    from audits.explanations.pixels.boxes import BoxGrid
    from model_adapters.base import ModelAdapter

REMOVED = 0.1
"""Share of the image that is blanked to see what the map's strongest places do."""

ELSEWHERE = 5
Size = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFacts:
    """What an explanation of a segmentation is about, and what the strongest places do to it.

    Attributes:
        text: The region as people write it.
        pixels: Pixels of the region on the model's grid.
        size: Predicted size on the stored image.
        unit: Of ``size``: ``mm²``, ``mL`` or ``pixels``.
        dice: Overlap of the prediction with the study's mask, or None without one.
        removed_size: Predicted size once the tenth of the image that the map ranks highest is
            blanked.
        removed_dice: Its overlap with the study's mask, or with the untouched prediction.
        elsewhere_size: The same for copies of the map that point elsewhere, mean of 5.
        elsewhere_dice: The same.
        against: What ``removed_dice`` compares with: ``reference`` or ``prediction``.
    """

    text: str
    pixels: int
    size: float
    unit: str
    dice: float | None
    removed_size: float
    removed_dice: float
    elsewhere_size: float
    elsewhere_dice: float
    against: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "region": self.text,
            "pixels": self.pixels,
            "size": self.size,
            "unit": self.unit,
            "dice": self.dice,
            "strongest_tenth_blanked": {"size": self.removed_size, "dice": self.removed_dice},
            "elsewhere_blanked": {"size": self.elsewhere_size, "dice": self.elsewhere_dice},
            "dice_against": self.against,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentedSize:
    """A segmentation model as two numbers per image: predicted pixels, and overlap with a mask.

    Attributes:
        scores: The model.
        index: Which output.
        target: bool (*spatial) on the model's grid that the prediction is compared with.
    """

    scores: RegionScores
    index: int
    target: Mask

    @property
    def output(self) -> Any:
        """Return values, no log-odds."""
        return replace(self.scores.output, names=("pixels", "dice"), space="value", thresholds=None)

    def predict(self, prepared: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return predicted pixels and Dice, (n, 2)."""
        masks = self.scores.predicted(self.scores.pixels(prepared))[:, self.index]
        return np.array([[one.sum(), overlap(one, self.target)] for one in masks], dtype=np.float64)


def overlap(one: Mask, other: Mask) -> float:
    """Return Dice's coefficient; 1 where both are empty (nothing was to be found, nothing was)."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def region_facts(  # noqa: PLR0913 - everything that is measured of one case
    scores: RegionScores,
    prepared: Mapping[str, Any],
    index: int,
    native_map: npt.NDArray[np.floating],
    *,
    text: str,
    target: Mask | None,
    pixel_size: Size,
    seed: int = 0,
) -> RegionFacts:
    """Measure the segmentation, and what blanking the map's strongest tenth does to it.

    Args:
        scores: The model, fixed to a region.
        prepared: One prepared case.
        index: Which output.
        native_map: The explanation's map, signed, on its own grid.
        text: The region as people write it.
        target: The study's mask on the model's grid, or None.
        pixel_size: Size of a pixel of the model's grid, with its unit.
        seed: Seed of the places elsewhere.
    """
    field = scores.inputs[0].name
    image = prepared[field][0]
    spatial = tuple(int(size) for size in image.shape[1:])
    own = scores.predicted(scores.pixels(prepared))[0, index]
    against = SegmentedSize(scores=scores, index=index, target=own if target is None else target)
    strongest = _strongest(native_map, spatial)
    places = [strongest, *_moved(strongest, native_map.shape, seed)]
    fill = channel_mean(image)

    def blanked(number: int) -> Any:
        return kept_or_filled(image, fill, ~places[number])

    found = evaluate_variants(
        cast("ModelAdapter", against), prepared, field, range(len(places)), blanked
    )
    size, unit = pixel_size
    assert scores.masks is not None  # noqa: S101 - the caller fixed the region
    return RegionFacts(
        text=text,
        pixels=int(scores.masks[0, index].sum()),
        size=float(own.sum()) * size,
        unit=unit,
        dice=None if target is None else overlap(own, target),
        removed_size=float(found[0, 0]) * size,
        removed_dice=float(found[0, 1]),
        elsewhere_size=float(found[1:, 0].mean()) * size,
        elsewhere_dice=float(found[1:, 1].mean()),
        against="prediction" if target is None else "reference",
    )


def size_effects(
    scores: RegionScores,
    prepared: Mapping[str, Any],
    index: int,
    boxes: BoxGrid,
    *,
    target: Mask | None,
    pixel_size: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what each box, blanked, takes from the predicted size and from the overlap.

    Returns:
        Two arrays (*boxes.grid): size lost in units of ``pixel_size``, and Dice lost.
    """
    from audits.explanations.pixels.occlusion import occlusion_maps

    own = scores.predicted(scores.pixels(prepared))[0, index]
    sized = SegmentedSize(scores=scores, index=index, target=own if target is None else target)
    maps = occlusion_maps(cast("ModelAdapter", sized), prepared, scores.inputs[0].name, boxes)[0]
    return maps[0] * np.float32(pixel_size), maps[1]


def _strongest(native_map: npt.NDArray[np.floating], spatial: Sequence[int]) -> Mask:
    """Return the tenth of the pixels that the map ranks highest."""
    values = on_pixels(native_map, spatial)
    count = max(1, round(REMOVED * values.size))
    out = np.zeros(values.size, dtype=np.bool_)
    out[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    return out.reshape(values.shape)


def _moved(mask: Mask, grid: tuple[int, ...], seed: int) -> list[Mask]:
    """Return every fourth of the mask's shifted copies."""
    return shifted_copies(mask, grid, seed)[:: SHIFTS // ELSEWHERE + 1]
