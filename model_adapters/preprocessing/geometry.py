"""How an image's own pixel grid and a model's input grid lie over each other, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_adapters.errors import AdapterError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageGeometry:
    """The box of the model's input that an image was resized into.

    Coordinates follow the pixel-area convention (``align_corners=False``): pixel i of N covers
    [i/N, (i+1)/N) of the extent, so maps of any resolution register with the image.

    Attributes:
        native: Spatial shape of the image, (H, W) or (D, H, W).
        model: Spatial shape of the model's input.
        start: First model pixel of the box per axis; 0 unless the image was padded.
        extent: Model pixels of the box per axis.
    """

    native: tuple[int, ...]
    model: tuple[int, ...]
    start: tuple[int, ...]
    extent: tuple[int, ...]

    def to_native(
        self, values: npt.NDArray[np.floating], native_shape: Sequence[int] | None = None
    ) -> npt.NDArray[np.float32]:
        """Bring a map on the model's grid, at any resolution, onto the image's pixels.

        Args:
            values: (..., *grid); the grid spans the model's whole input.
            native_shape: The image's spatial shape; must be the one the geometry was made for.

        Returns:
            float32 (..., *native), interpolated linearly along each axis; padding is cut off, and
            what was cut off before the model saw it is 0.

        Raises:
            AdapterError: If the shapes do not belong to this geometry.
        """
        axes = len(self.native)
        if native_shape is not None and tuple(native_shape) != self.native:
            msg = (
                f"geometry: made for an image of {self.native}, found {tuple(native_shape)}; ask "
                "the adapter for the geometry of this image."
            )
            raise AdapterError(msg)
        if values.ndim < axes:
            msg = f"geometry: a map needs {axes} spatial axes, found shape {values.shape}."
            raise AdapterError(msg)
        out = np.asarray(values, dtype=np.float64)
        for axis in range(axes):
            centres = (np.arange(self.native[axis]) + 0.5) / self.native[axis]
            in_model = self.start[axis] + centres * self.extent[axis]
            share = in_model / self.model[axis]
            out = _sample(out, out.ndim - axes + axis, share)
            unseen = (share < 0) | (share > 1)
            if unseen.any():
                np.moveaxis(out, out.ndim - axes + axis, -1)[..., unseen] = 0.0
        return out.astype(np.float32)


def fit_geometry(
    native: Sequence[int], model: Sequence[int], *, keep_aspect: bool
) -> ImageGeometry:
    """Return where an image of ``native`` shape lies in a model input of ``model`` shape.

    Args:
        native: Spatial shape of the image.
        model: Spatial shape of the model's input, with as many axes.
        keep_aspect: Scale all axes alike and centre; otherwise stretch to the whole input.

    Raises:
        AdapterError: If the number of axes differs.
    """
    if len(native) != len(model):
        msg = (
            f"inputs: the model takes images with {len(model)} spatial axes, found shape "
            f"{tuple(native)}; give the model the kind of image it was made for."
        )
        raise AdapterError(msg)
    shape, target = tuple(int(v) for v in native), tuple(int(v) for v in model)
    if not keep_aspect:
        return ImageGeometry(native=shape, model=target, start=(0,) * len(target), extent=target)
    factor = min(t / n for t, n in zip(target, shape, strict=True))
    extent = tuple(min(t, max(1, round(n * factor))) for t, n in zip(target, shape, strict=True))
    start = tuple((t - e) // 2 for t, e in zip(target, extent, strict=True))
    return ImageGeometry(native=shape, model=target, start=start, extent=extent)


def _sample(
    values: npt.NDArray[np.float64], axis: int, position: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Interpolate linearly along one axis at positions in [0, 1] of its extent; edges hold."""
    cells = values.shape[axis]
    at = np.clip(position * cells - 0.5, 0, cells - 1)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, cells - 1)
    shape = [1] * values.ndim
    shape[axis] = -1
    weight = (at - low).reshape(shape)
    mixed = np.take(values, low, axis) * (1 - weight) + np.take(values, high, axis) * weight
    return np.asarray(mixed)
