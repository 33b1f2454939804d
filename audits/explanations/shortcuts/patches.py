"""Take something out of an image, or put it in, so that only that changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from model_adapters.base import ImageValue

Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.float32]

# Markers throw a blurred edge; a few pixels around the mask go with it.
MARGIN_PIXELS = 3
# What lies further away than this has no say in what is filled in.
SURROUNDINGS = 24
# A sham patch that shares this much of its area with what must stay is no sham.
ALLOWED_OVERLAP = 0.02


def grown(mask: Mask, pixels: int = MARGIN_PIXELS) -> Mask:
    """Return a mask with a rim of some pixels."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=pixels))


def without(image: ImageValue, mask: Mask) -> ImageValue:
    """Return the image with a region filled in smoothly from around it.

    Args:
        image: The image as stored.
        mask: True where it is filled, same spatial shape.
    """
    if image.colour:
        planes = [_filled(image.pixels[..., one], mask) for one in range(image.pixels.shape[-1])]
        return replace(image, pixels=np.stack(planes, axis=-1))
    return replace(image, pixels=_filled(image.pixels, mask))


def _filled(plane: Pixels, mask: Mask) -> Pixels:
    """Fill a region from its surroundings; only a window around it is worked on."""
    window = tuple(
        slice(max(0, int(places.min()) - SURROUNDINGS), int(places.max()) + 1 + SURROUNDINGS)
        for places in np.nonzero(mask)
    )
    out = plane.copy()
    out[window] = _blended_in(plane[window], mask[window])
    return out


def _blended_in(plane: Pixels, mask: Mask) -> Pixels:
    """Return normalised convolution inside the mask, widened until every pixel has a source."""
    from scipy.ndimage import gaussian_filter

    if mask.all():
        return np.full_like(plane, plane.mean())
    known = (~mask).astype(np.float64)
    out = plane.astype(np.float64).copy()
    open_pixels = mask.copy()
    sigma = 2.0
    while open_pixels.any():
        weight = gaussian_filter(known, sigma, mode="nearest")
        mean = gaussian_filter(np.where(mask, 0.0, plane), sigma, mode="nearest")
        reached = open_pixels & (weight > 1e-3)  # noqa: PLR2004 - below it, rounding speaks
        out[reached] = mean[reached] / weight[reached]
        open_pixels &= ~reached
        sigma *= 1.6
    return out.astype(np.float32)


def sham_of(mask: Mask, avoid: Sequence[Mask], rng: np.random.Generator) -> Mask | None:
    """Return the mask mirrored to another corner: same size, shape and distance to the border.

    Args:
        mask: The suspect's region.
        avoid: Regions the sham must not touch, the suspect's own among them.
        rng: Chooses where several corners are free.

    Returns:
        The sham, or None where every mirror image touches something.
    """
    choices = []
    axes = range(mask.ndim - 2, mask.ndim) if mask.ndim > 1 else range(1)
    for flips in itertools.product((False, True), repeat=len(axes)):
        flipped = tuple(axis for axis, flip in zip(axes, flips, strict=True) if flip)
        if not flipped:
            continue
        candidate = np.flip(mask, flipped)
        if all((candidate & one).sum() <= ALLOWED_OVERLAP * mask.sum() for one in avoid):
            choices.append(candidate)
    return choices[int(rng.integers(len(choices)))] if choices else None


def with_pasted(image: ImageValue, donor: ImageValue, mask: Mask) -> ImageValue:
    """Return the image with a region of another one, matched by their display ranges.

    Colour that a grey image receives becomes the mean of its channels.

    Args:
        image: What receives the region.
        donor: An image of the same height and width, grey or in colour.
        mask: The region.
    """
    share = (donor.pixels - donor.low) / max(donor.high - donor.low, 1e-6)
    if donor.colour and not image.colour:
        share = share.mean(axis=-1)
    elif image.colour and not donor.colour:
        share = share[..., None]
    matched = share * (image.high - image.low) + image.low
    spread = mask[..., None] if image.colour else mask
    return replace(image, pixels=np.where(spread, matched, image.pixels).astype(np.float32))
