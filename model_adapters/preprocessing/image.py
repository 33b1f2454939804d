"""From an image in modality units to the tensor a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from model_adapters.base import ImageValue
from model_adapters.errors import AdapterError
from model_adapters.preprocessing.geometry import ImageGeometry, fit_geometry
from model_adapters.schema import ImageInput

if TYPE_CHECKING:
    import torch

_LUMA = np.asarray([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's "L"
_COLOUR_AXES = 3


def image_geometry(spec: ImageInput, native_shape: Sequence[int]) -> ImageGeometry:
    """Return how an image of a spatial shape lies in the model's input."""
    return fit_geometry(native_shape, spec.size, keep_aspect=spec.resize == "fit")


def prepare_images(name: str, spec: ImageInput, images: Sequence[ImageValue]) -> torch.Tensor:
    """Scale, resize and normalise images: grey scale first, so the display range is kept exactly.

    Args:
        name: The input's name, for messages.
        spec: The input's declaration.
        images: n images.

    Returns:
        float32 (n, channels, *size) on the CPU.

    Raises:
        AdapterError: If an image has the wrong number of axes, colour channels or values.
    """
    import torch

    if not images:
        return torch.zeros((0, spec.channels, *spec.size), dtype=torch.float32)
    return torch.stack([_prepare(name, spec, image, at) for at, image in enumerate(images)])


def _prepare(name: str, spec: ImageInput, image: ImageValue, at: int) -> torch.Tensor:
    import torch

    pixels = np.asarray(image.pixels, dtype=np.float32)
    if not np.isfinite(pixels).all():
        msg = (
            f"inputs.{name}: image {at} of the batch holds values that are not numbers; mask or "
            "replace them when the image is read."
        )
        raise AdapterError(msg)
    planes = _planes(name, spec, image, pixels)
    geometry = image_geometry(spec, planes.shape[1:])
    low, high = spec.window or (image.low, image.high)
    scaled = _scale(planes, spec, low, high)
    tensor = _resize(torch.from_numpy(np.ascontiguousarray(scaled)), geometry.extent)
    if geometry.extent != geometry.model:
        tensor = _pad(tensor, geometry, low if spec.scale == "raw" else _black(spec))
    if tensor.shape[0] != spec.channels:
        tensor = tensor.expand(spec.channels, *tensor.shape[1:])
    shape = (-1,) + (1,) * len(spec.size)
    mean = torch.tensor(spec.mean, dtype=torch.float32).reshape(shape)
    std = torch.tensor(spec.std, dtype=torch.float32).reshape(shape)
    return (tensor - mean) / std


def _planes(
    name: str, spec: ImageInput, image: ImageValue, pixels: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return (channels, *spatial): one plane for grey models, one or three for colour models."""
    if not image.colour:
        return pixels[np.newaxis]
    if pixels.shape[-1] != _COLOUR_AXES:
        msg = (
            f"inputs.{name}: a colour image has 3 channels, found {pixels.shape[-1]}; convert it "
            "to grey or RGB."
        )
        raise AdapterError(msg)
    if spec.channels == 1:
        return (pixels @ _LUMA)[np.newaxis]
    return np.moveaxis(pixels, -1, 0)


def _scale(
    planes: npt.NDArray[np.float32], spec: ImageInput, low: float, high: float
) -> npt.NDArray[np.float32]:
    if spec.scale == "raw":
        return planes if spec.window is None else np.clip(planes, low, high)
    if high <= low:  # a constant image has no contrast to show: it is black
        unit = np.zeros_like(planes)
    else:
        unit = np.clip((planes - np.float32(low)) / np.float32(high - low), 0, 1)
    if spec.scale == "-1-1":
        return unit * np.float32(2) - np.float32(1)
    return unit * np.float32(255) if spec.scale == "0-255" else unit


def _black(spec: ImageInput) -> float:
    return -1.0 if spec.scale == "-1-1" else 0.0


def _resize(planes: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Resize (C, *spatial) linearly, averaging over the covered area when it shrinks.

    Interpolation is separable, so a volume is resized in its planes and then across them; torch's
    own trilinear mode has no anti-aliasing.
    """
    from torch.nn.functional import interpolate

    spatial = tuple(planes.shape[1:])
    if spatial == size:
        return planes
    rows, columns = size[-2:]
    if spatial[-2:] != (rows, columns):
        flat = planes.reshape(1, -1, *spatial[-2:])
        flat = interpolate(flat, (rows, columns), mode="bilinear", antialias=True)
        planes = flat.reshape(planes.shape[0], *spatial[:-2], rows, columns)
    if len(size) == _COLOUR_AXES and spatial[0] != size[0]:
        flat = planes.reshape(1, planes.shape[0], spatial[0], rows * columns)
        flat = interpolate(flat, (size[0], rows * columns), mode="bilinear", antialias=True)
        planes = flat.reshape(planes.shape[0], *size)
    return planes


def _pad(planes: torch.Tensor, geometry: ImageGeometry, value: float) -> torch.Tensor:
    canvas = planes.new_full((planes.shape[0], *geometry.model), value)
    box = tuple(
        slice(start, start + extent)
        for start, extent in zip(geometry.start, geometry.extent, strict=True)
    )
    canvas[(slice(None), *box)] = planes
    return canvas
