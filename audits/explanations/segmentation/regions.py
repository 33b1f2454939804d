"""Which pixels of a segmentation are asked about: the predicted mask, a box, or one pixel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

if TYPE_CHECKING:
    from model_adapters.preprocessing import ImageGeometry

Mask = npt.NDArray[np.bool_]
Kind = Literal["mask", "reference", "box", "pixel"]
FORMS = "mask, reference, pixel:ROW,COLUMN or box:ROW,COLUMN,ROW,COLUMN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What is asked of a segmentation.

    Attributes:
        kind: ``mask`` is what the model segments, ``reference`` the study's mask of the output,
            ``box`` and ``pixel`` are places on the stored image.
        numbers: Of a pixel one index per axis; of a box its first pixel, then the one behind its
            last.
    """

    kind: Kind = "mask"
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """Return the region as people write it."""
        return self.kind + (f":{','.join(map(str, self.numbers))}" if self.numbers else "")


def parse_region(text: str) -> Region:
    """Read a region as people write it.

    Raises:
        ExplanationError: If it is none of the forms.

    Example:
        >>> parse_region("pixel:120,88").numbers
        (120, 88)
    """
    kind, _, rest = text.partition(":")
    if kind in {"mask", "reference"} and not rest:
        return Region(kind="mask" if kind == "mask" else "reference")
    try:
        numbers = tuple(int(part) for part in rest.split(","))
    except ValueError:
        numbers = ()
    if kind == "pixel" and len(numbers) in {2, 3}:
        return Region(kind="pixel", numbers=numbers)
    if kind == "box" and len(numbers) in {4, 6}:
        return Region(kind="box", numbers=numbers)
    raise ExplanationError(f"region: expected {FORMS}, found {text!r}; correct it")


def place_of(region: Region, native: tuple[int, ...]) -> Mask:
    """Return a pixel or box as a mask of the stored image.

    Args:
        region: A pixel or a box.
        native: Spatial shape of the stored image.

    Raises:
        ExplanationError: If it has another number of axes than the image, is empty or outside.
    """
    axes = len(native)
    first = region.numbers[:axes]
    last = tuple(one + 1 for one in first) if region.kind == "pixel" else region.numbers[axes:]
    wanted = axes if region.kind == "pixel" else 2 * axes
    fits = len(region.numbers) == wanted and all(
        0 <= low < high <= size for low, high, size in zip(first, last, native, strict=False)
    )
    if not fits:
        raise ExplanationError(
            f"region: {region.text} is no place in an image of {'x'.join(map(str, native))} "
            "pixels; count from 0, rows before columns"
        )
    out = np.zeros(native, dtype=np.bool_)
    out[tuple(slice(low, high) for low, high in zip(first, last, strict=True))] = True
    return out


def on_model(mask: Mask, geometry: ImageGeometry) -> Mask:
    """Return a mask of the stored image on the model's input grid; a lone pixel stays one.

    Args:
        mask: True inside, on the stored image.
        geometry: How the image lies in the model's input.
    """
    out = np.zeros(geometry.model, dtype=np.bool_)
    axes = [*zip(geometry.native, geometry.start, geometry.extent, geometry.model, strict=True)]
    forward = []
    for at, (native, start, extent, model) in zip(np.nonzero(mask), axes, strict=True):
        place = np.floor(start + (at + 0.5) / native * extent).astype(np.intp)
        forward.append(np.clip(place, 0, model - 1))
    out[tuple(forward)] = True
    backward, inside = [], []
    for native, start, extent, model in axes:
        place = np.floor((np.arange(model) + 0.5 - start) / extent * native).astype(np.intp)
        inside.append((place >= 0) & (place < native))
        backward.append(np.clip(place, 0, native - 1))
    out |= mask[np.ix_(*backward)] & _outer(inside)
    return out


def _outer(parts: list[npt.NDArray[np.bool_]]) -> Mask:
    out = np.ones([len(part) for part in parts], dtype=np.bool_)
    for axis, part in enumerate(parts):
        out &= part.reshape([-1 if axis == one else 1 for one in range(len(parts))])
    return out


def corners(mask: Mask) -> tuple[int, ...]:
    """Return the box around a mask: its first pixel, then the one behind its last."""
    places = [np.flatnonzero(mask.any(axis=_others(mask.ndim, axis))) for axis in range(mask.ndim)]
    low, high = [int(one[0]) for one in places], [int(one[-1]) + 1 for one in places]
    return tuple(itertools.chain(low, high))


def _others(axes: int, axis: int) -> tuple[int, ...]:
    return tuple(one for one in range(axes) if one != axis)
