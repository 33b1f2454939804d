"""An image as people look at it and as models receive it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from model_adapters.base import ImageValue

Shape = Literal["linear", "sigmoid", "lut"]
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One way of turning values into grey.

    Attributes:
        label: What the file or the preset calls it.
        low: Value shown black (for a sigmoid: where its straight part would start).
        high: Value shown white.
        shape: Course between the two.
        table: For ``lut``: grey in [0, 1] of equally spaced values from ``low`` to ``high``.
    """

    label: str
    low: float
    high: float
    shape: Shape = "linear"
    table: npt.NDArray[np.float32] | None = None

    def apply(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return grey in [0, 1], 1 is white."""
        share = (pixels.astype(np.float64) - self.low) / (self.high - self.low)
        if self.shape == "sigmoid":
            # DICOM PS3.3 C.11.2.1.3.1, with c the middle and w the width.
            return np.asarray(expit(4.0 * (share - 0.5)), dtype=np.float32)
        if self.table is not None:
            place = np.clip(np.rint(share * (len(self.table) - 1)), 0, len(self.table) - 1)
            return np.asarray(self.table[place.astype(np.intp)], dtype=np.float32)
        return np.clip(share, 0.0, 1.0).astype(np.float32)

    def inverted(self, about: float) -> Window:
        """Return the window of ``about - pixels`` that shows white where this one shows black."""
        return Window(
            label=self.label,
            low=about - self.high,
            high=about - self.low,
            shape=self.shape,
            table=None if self.table is None else 1.0 - self.table[::-1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Where the edges of the picture point: R L A P H F, or two letters where oblique."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyImage:
    """One opened image.

    Higher values are always shown whiter: a MONOCHROME1 image, which stores white as low, is
    turned round when it is read, for people and models alike, so that the same finding looks the
    same whatever the detector's convention.

    Attributes:
        pixels: float32 (H, W), (H, W, 3) or (D, H, W), in modality units (HU for CT).
        low: Value shown black by the first window; also the 0 of a model's 0-1 scale.
        high: Value shown white.
        windows: Alternatives, the file's own first.
        spacing_mm: Distance of pixel centres per spatial axis in mm, or None.
        spacing_source: Attribute the spacing was read from.
        orientation: Patient directions of the picture's edges, or None.
        laterality: ``L``, ``R`` or None.
        view: View position, for example ``PA``, or None.
        photometric: As written in the file.
        colour: True where the last axis is a colour channel.
        inverted_about: For images turned round, the file's value is this minus ``pixels``.
        unit: Unit of the values, for example HU, or empty.
        slices_toward: Patient direction in which slices follow each other, or None.
        notes: What a reader should know, one sentence each.
    """

    pixels: npt.NDArray[np.float32]
    low: float
    high: float
    windows: tuple[Window, ...]
    spacing_mm: tuple[float, ...] | None = None
    spacing_source: str | None = None
    orientation: Orientation | None = None
    laterality: str | None = None
    view: str | None = None
    photometric: str = "MONOCHROME2"
    colour: bool = False
    inverted_about: float | None = None
    unit: str = ""
    slices_toward: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether the first axis is slices."""
        return self.pixels.ndim == 3 and not self.colour  # noqa: PLR2004 - D, H, W

    def to_value(self) -> ImageValue:
        """Return what a model receives."""
        return ImageValue(pixels=self.pixels, low=self.low, high=self.high, colour=self.colour)


def full_range(pixels: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None) -> Window:
    """Return the window from the smallest to the largest valid value."""
    values = pixels if valid is None or not valid.any() else pixels[valid]
    low, high = float(values.min()), float(values.max())
    return Window(label="Full range", low=low, high=high if high > low else low + 1.0)


def opposite(letters: str) -> str:
    """Return the direction opposite to one or two letters.

    Example:
        >>> opposite("AL")
        'PR'
    """
    return "".join(_OPPOSITE.get(letter, letter) for letter in letters)


def direction_letters(vector: npt.NDArray[np.float64]) -> str:
    """Name a direction in LPS patient coordinates, largest part first.

    A second letter is given from a fifth of the length on.

    Example:
        >>> direction_letters(np.array([1.0, 0.0, 0.0]))
        'L'
    """
    names = (("R", "L"), ("A", "P"), ("F", "H"))
    order = np.argsort(-np.abs(vector), kind="stable")
    letters = [names[axis][int(vector[axis] > 0)] for axis in order if abs(vector[axis]) > 0.2]  # noqa: PLR2004 - said above
    return "".join(letters[:2])
