"""Lead letters on the detector: each site has its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .grid import Grid, Plane, step

Style = Literal["plaque", "bold", "thin"]

# Strokes on a 4 x 6 field, x to the right, y down.
GLYPHS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "L": ((0, 0, 0, 6), (0, 6, 3.4, 6)),
    "R": ((0, 0, 0, 6), (0, 0, 2.4, 0), (2.4, 0, 3.4, 0.9), (3.4, 0.9, 3.4, 2.1),
          (3.4, 2.1, 2.4, 3), (2.4, 3, 0, 3), (1.4, 3, 3.6, 6)),
    "W": ((0, 0, 0.9, 6), (0.9, 6, 2, 2), (2, 2, 3.1, 6), (3.1, 6, 4, 0)),
    "D": ((0, 0, 0, 6), (0, 0, 2, 0), (2, 0, 3.4, 1.5), (3.4, 1.5, 3.4, 4.5),
          (3.4, 4.5, 2, 6), (2, 6, 0, 6)),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A marker as it lay on the detector: centre in mm of the detector, tilt in radians."""

    style: Style
    x: float
    y: float
    tilt: float


def draw_marker(
    shape: tuple[int, int], spacing: float, marker: Marker
) -> tuple[Plane, npt.NDArray[np.bool_]]:
    """Return how much lead covers each pixel (0 to 1) and the marker's mask."""
    rows, columns = shape
    y = (np.arange(rows, dtype=np.float32)[:, None] - (rows - 1) / 2) * spacing - marker.y
    x = (np.arange(columns, dtype=np.float32)[None, :] - (columns - 1) / 2) * spacing - marker.x
    c, s = np.float32(np.cos(marker.tilt)), np.float32(np.sin(marker.tilt))
    plane = Grid(x=(c * x + s * y), y=(c * y - s * x), spacing=spacing)
    if marker.style == "plaque":
        lead = _letter(plane, "L", (-13, -10), 3.2, 2.1)
        lead = np.maximum(lead, _letter(plane, "W", (3, -1), 1.8, 1.1))
        lead = np.maximum(lead, _letter(plane, "D", (12.5, -1), 1.8, 1.1))
        frame = np.maximum(np.abs(plane.x) - 23, np.abs(plane.y) - 15)
        lead = np.maximum(lead, step(1.6 - np.abs(frame), 0.6))
        return lead, frame < 2.2
    letter, size, stroke = ("R", 3.2, 2.0) if marker.style == "bold" else ("L", 3.0, 1.1)
    lead = _letter(plane, letter, (-1.8 * size, -3 * size), size, stroke)
    box = np.maximum(np.abs(plane.x) - 2.2 * size - 2, np.abs(plane.y) - 3 * size - 4)
    return lead, box < 0


def _letter(
    plane: Grid, glyph: str, origin: tuple[float, float], size: float, stroke: float
) -> Plane:
    nearest = np.full(plane.shape, np.float32(1e3))
    for x0, y0, x1, y1 in GLYPHS[glyph]:
        a = (origin[0] + x0 * size, origin[1] + y0 * size)
        b = (origin[0] + x1 * size, origin[1] + y1 * size)
        nearest = np.minimum(nearest, _segment(plane, a, b))
    return step(stroke - nearest, 0.6)


def _segment(plane: Grid, a: tuple[float, float], b: tuple[float, float]) -> Plane:
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = np.clip(((plane.x - a[0]) * dx + (plane.y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(plane.x - a[0] - along * dx, plane.y - a[1] - along * dy)
