"""The detector as a plane of millimetres, and the few shapes everything is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Pixel centres in the patient's frontal plane.

    Attributes:
        x: (H, W) mm to the patient's left (the viewer's right), 0 on the midline.
        y: (H, 1) mm towards the feet, 0 at the centre of the detector.
        spacing: mm per pixel.
    """

    x: Plane
    y: Plane
    spacing: float

    @property
    def shape(self) -> tuple[int, int]:
        """Return (rows, columns)."""
        return (self.x.shape[0], self.x.shape[1])


def detector(
    shape: tuple[int, int], spacing: float, *, shift: tuple[float, float], lean: float
) -> Grid:
    """Place a patient before the detector.

    Args:
        shape: Rows and columns.
        spacing: mm per pixel.
        shift: Patient's offset to the viewer's right and downwards, mm.
        lean: Sideways lean as a tangent; rows stay rows, so curves over y stay one-dimensional.
    """
    rows, columns = shape
    y = (np.arange(rows, dtype=np.float32)[:, None] - (rows - 1) / 2) * spacing - shift[1]
    x = (np.arange(columns, dtype=np.float32)[None, :] - (columns - 1) / 2) * spacing - shift[0]
    x = x - np.float32(lean) * y
    return Grid(x=x.astype(np.float32), y=y.astype(np.float32), spacing=spacing)


def curve(knots: list[tuple[float, float]], at: Plane) -> Plane:
    """Interpolate a border through knots (position, value), flat beyond the ends, no overshoot."""
    where, value = np.array(knots, dtype=np.float64).T
    clipped = np.clip(at, where[0], where[-1])
    return PchipInterpolator(where, value)(clipped).astype(np.float32)


def step(distance: Plane, softness: float) -> Plane:
    """Return 0 outside to 1 inside a border, over ``softness`` mm on either side."""
    t = np.clip(distance / np.float32(2 * softness) + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


def chord(u: Plane, power: float = 2.0) -> Plane:
    """Return the relative path length through a rounded body, u = 0 on its axis, 1 at its edge."""
    inside = np.minimum(np.abs(u), np.float32(1))
    if power == 2:
        return np.sqrt(1 - inside * inside)
    return np.sqrt(1 - inside ** np.float32(power))
