"""What travels to the image viewer: one block of bytes.

Layout: u32 length of the JSON, JSON (UTF-8), padding to a multiple of 4, u16 pixels, padding,
f32 map, f32 reference, f32 prediction. Little endian throughout, which every browser in use is.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

LIMIT = 64 * 1024 * 1024
"""Bytes of pixels sent at most; a larger volume is thinned in plane until it fits."""

MAP_SIDE = 192
"""Longest side of the map that is sent: far finer than any convolutional layer."""

_LEVELS = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A named display window, in modality units.

    Attributes:
        label: What the file or the preset calls it.
        low: Value shown black.
        high: Value shown white.
        sigmoid: The course between the two is a sigmoid (VOI LUT function of the file).
        table: Grey in [0, 1] of equally spaced values from ``low`` to ``high``; none for a line.
    """

    label: str
    low: float
    high: float
    sigmoid: bool = False
    table: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayer:
    """A signed map on the grid of the stored image.

    Attributes:
        values: float32, (H, W) or (D, H, W), the same field of view as the image.
        scale: Magnitude at full colour; the same for every output of the model.
        note: What the colours mean, with method and resolution.
        unit: Unit of the values, for the legend.
        scale_note: Over which cases the scale holds.
        mode: How it is shown first: ``off`` where the case was not flagged.
        failed: Draw it grey, because the explanation failed its check.
    """

    values: npt.NDArray[np.float32]
    scale: float
    note: str
    unit: str = ""
    scale_note: str = ""
    mode: Literal["contour", "heat", "off"] = "contour"
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image for display.

    Attributes:
        pixels: (H, W), (H, W, 3) where ``colour``, or (D, H, W); in modality units.
        low: Value shown black at first.
        high: Value shown white at first.
        key: Under which the browser keeps window and zoom: the case.
        alt: What the image is, in words.
        facts: What is known of how it was taken, always shown below it.
        colour: True where the last axis is a colour channel.
        unit: Unit of the pixel values, for example HU, or empty.
        spacing: Row and column spacing in mm, or None.
        slice_spacing: Distance between slices in mm, or None.
        orientation: Letters at ``left``, ``right``, ``top`` and ``bottom``.
        slices_toward: Letters of the direction in which slices follow each other, or None.
        windows: Alternatives to choose from.
        reference: The study's own outline of the finding, True inside, on the grid of the image.
        predicted: What a segmentation model drew, likewise.
        pick: The reader may name a pixel to be explained.
    """

    pixels: npt.NDArray[np.generic]
    low: float
    high: float
    key: str
    alt: str
    facts: str = ""
    colour: bool = False
    unit: str = ""
    spacing: tuple[float, float] | None = None
    slice_spacing: float | None = None
    orientation: dict[str, str] | None = None
    slices_toward: str | None = None
    windows: tuple[Window, ...] = ()
    reference: npt.NDArray[np.bool_] | None = None
    predicted: npt.NDArray[np.bool_] | None = None
    pick: bool = False


def pack(picture: Picture, layer: MapLayer | None = None) -> bytes:
    """Return the viewer's payload.

    Whole numbers of 16 bits travel as they are. Others are stored as 16 bits over their own range;
    the error is at most half of 1/65,535 of that range. NaN (padding) is shown as the smallest
    value.
    """
    volume, step = _volume(picture)
    coded, low, high, slope = _coded(volume)
    depth, height, width, channels = coded.shape
    rows_mm, columns_mm = picture.spacing or (1.0, 1.0)
    meta: dict[str, object] = {
        "key": picture.key,
        "alt": picture.alt,
        "facts": picture.facts,
        "depth": depth,
        "height": height,
        "width": width,
        "channels": channels,
        "slope": slope,
        "intercept": low,
        "minimum": low,
        "maximum": high,
        "low": picture.low,
        "high": picture.high,
        "unit": picture.unit,
        "aspect": rows_mm / columns_mm,
        "aspect_z": (picture.slice_spacing or columns_mm) / (columns_mm * step),
        "step": step,
        "pick": picture.pick,
        "spacing": columns_mm * step if picture.spacing else None,
        "orientation": picture.orientation,
        "slices_toward": picture.slices_toward,
        "windows": [
            {
                "label": w.label,
                "low": w.low,
                "high": w.high,
                "sigmoid": w.sigmoid,
                "table": list(w.table),
            }
            for w in picture.windows
        ],
        "map": None,
        "reference": None,
        "predicted": None,
    }
    blocks = []
    if layer is not None:
        size, block = _grid(layer.values)
        meta["map"] = size | {
            "scale": layer.scale or 1.0,
            "note": layer.note,
            "unit": layer.unit,
            "scale_note": layer.scale_note,
            "mode": layer.mode,
            "failed": layer.failed,
        }
        blocks.append(block)
    for name, mask in (("reference", picture.reference), ("predicted", picture.predicted)):
        if mask is not None and mask.any():
            meta[name], block = _grid(mask.astype(np.float32))
            blocks.append(block)
    head = json.dumps(meta, allow_nan=False).encode("utf-8")
    parts = (_padded(struct.pack("<I", len(head)) + head), _padded(coded.tobytes()), *blocks)
    return b"".join(parts)


def _grid(values: npt.NDArray[np.float32]) -> tuple[dict[str, object], bytes]:
    """Return the size and the bytes of a layer over the image."""
    grid, step = _thinned(values)
    depth, rows, columns = grid.shape
    size: dict[str, object] = {
        "depth": depth,
        "rows": rows,
        "columns": columns,
        # Blocks at the far edges may reach beyond the image: by these factors of its size.
        "span_y": rows * step / values.shape[-2],
        "span_x": columns * step / values.shape[-1],
    }
    return size, np.ascontiguousarray(grid, dtype="<f4").tobytes()


def _coded(
    volume: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.uint16], float, float, float]:
    """Return 16-bit codes, smallest and largest value, and the value of one step."""
    low, high = float(volume.min()), float(volume.max())
    if not np.isfinite(high - low):
        finite = volume[np.isfinite(volume)]
        low = float(finite.min()) if finite.size else 0.0
        high = float(finite.max()) if finite.size else 1.0
        volume = np.nan_to_num(volume, nan=low, posinf=high, neginf=low)
    if low == round(low) and 0 <= high - low <= _LEVELS:
        steps = np.subtract(volume, low, dtype=np.float32)  # exact: both are below 2**24 apart
        whole = steps.astype("<u2")
        if np.array_equal(whole, steps):
            return whole, low, high, 1.0
    slope = (high - low) / _LEVELS or 1.0
    shift = np.subtract(volume, low, dtype=np.float64)
    return np.rint(shift / slope).astype("<u2"), low, high, slope


def _volume(picture: Picture) -> tuple[npt.NDArray[np.generic], int]:
    pixels = np.asarray(picture.pixels)
    if picture.colour:
        volume = pixels[None]
    elif pixels.ndim == 2:  # noqa: PLR2004 - rows and columns
        volume = pixels[None, :, :, None]
    else:
        volume = pixels[:, :, :, None]
    step = 1
    while 2 * volume[:, ::step, ::step].size > LIMIT:
        step += 1
    return volume[:, ::step, ::step], step


def _thinned(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], int]:
    """Return (D, rows, columns) averaged in blocks until no side is too long, and the block."""
    grid = values[None] if values.ndim == 2 else values  # noqa: PLR2004 - rows and columns
    step = max(1, -(-max(grid.shape[1:]) // MAP_SIDE))
    if step == 1:
        return grid, step
    depth, rows, columns = grid.shape
    padded = np.pad(grid, ((0, 0), (0, -rows % step), (0, -columns % step)), mode="edge")
    blocks = padded.reshape(depth, padded.shape[1] // step, step, padded.shape[2] // step, step)
    thin: npt.NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return thin, step


def _padded(block: bytes) -> bytes:
    return block + b"\0" * (-len(block) % 4)
