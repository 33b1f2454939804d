"""Chest wall, lungs and diaphragm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .anatomy import Body, Exam
from .grid import Grid, Plane, chord, curve, step

APEX = -126.0
"""Level of the lung apices, mm from the detector's centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thorax:
    """Where the air is.

    Attributes:
        apex: Level of the lung apex, mm.
        angle: Level of the costophrenic angles, mm.
        dome: Level of the top of the left hemidiaphragm, mm.
        wall: (H, 1) inner half width of the rib cage at each row, mm.
        diaphragm: (H, W) level of the diaphragm at each column, mm.
        cavity: (H, W) front to back depth of the chest cavity, mm; lungs and mediastinum.
        inside: (H, W) True within the cavity, above the diaphragm.
    """

    apex: float
    angle: float
    dome: float
    wall: Plane
    diaphragm: Plane
    cavity: Plane
    inside: npt.NDArray[np.bool_]

    def share(self, y: Plane) -> Plane:
        """Return 0 at the apex to 1 at the left dome: the ruler of heart and hila."""
        return (y - np.float32(self.apex)) / np.float32(self.dome - self.apex)


def draw_thorax(grid: Grid, body: Body, exam: Exam) -> Thorax:
    """Draw the cavity: rounded apices, a steep flank, two domes and sharp angles."""
    height = body.lung_height * exam.inspiration
    angle = APEX + height
    dome = angle - 0.17 * height
    t = (grid.y - APEX) / height
    wall = body.half_width * curve(
        [
            (-0.05, 0.34),
            (0.0, 0.45),
            (0.06, 0.555),
            (0.15, 0.68),
            (0.3, 0.815),
            (0.5, 0.925),
            (0.7, 0.99),
            (0.86, 1.0),
            (1.0, 0.975),
            (1.12, 0.95),
        ],
        t,
    )
    u = np.abs(grid.x) / np.maximum(wall, 1)
    diaphragm = _diaphragm(grid, u, dome, angle)
    apex_line = APEX + 46 * (np.abs(u - 0.52) / 0.48) ** 2.4
    depth = 0.74 * body.depth * curve([(0, 0.5), (0.15, 0.72), (0.45, 0.95), (0.8, 1.0)], t)
    above = step(diaphragm - grid.y, 1.6)
    recess = 0.2 * np.exp(-np.maximum(grid.y - diaphragm, 0) / 16)
    dome_slope = chord(1 - np.clip((diaphragm - grid.y) / 26, 0, 1), 2.0)
    air = above * (0.72 + 0.28 * dome_slope) + (1 - above) * recess
    top = chord(1 - np.clip((grid.y - apex_line) / 34, 0, 1), 2.0)
    cavity = depth * chord(u, 3.0) * top * air
    inside = (u < 0.985) & (grid.y < diaphragm) & (grid.y > apex_line)
    return Thorax(
        apex=APEX,
        angle=angle,
        dome=dome,
        wall=wall,
        diaphragm=diaphragm,
        cavity=cavity.astype(np.float32),
        inside=inside,
    )


def _diaphragm(grid: Grid, u: Plane, dome: float, angle: float) -> Plane:
    top = np.float32(dome - 11) + 11 * step(grid.x, 45)
    out = np.clip((u - 0.5) / 0.5, 0, 1.2)
    inner = np.clip((0.5 - u) / 0.5, 0, 1)
    return top + (angle - top) * out**2.5 + 13 * inner**2


def draw_trunk(grid: Grid, body: Body) -> Plane:
    """Return the thickness of soft tissue in mm: neck, shoulders and trunk."""
    outer = body.half_width + 26 + body.fat
    flare = curve([(-130, 1.5), (-70, 1.18), (-20, 1.03), (40, 1.0), (150, 1.03)], grid.y)
    trunk = body.depth * chord(grid.x / (outer * flare), 3.2)
    beside = np.maximum(np.abs(grid.x) - 62, 0)
    shoulder = -172 + 0.10 * beside + 0.0022 * beside**2
    below = np.clip((grid.y - shoulder) / 85, 0, 1)
    trunk *= np.sqrt(below * (2 - below))
    root = 50 + 75 * np.clip((grid.y + 190) / 75, 0, 1) ** 2
    neck = 118 * chord(grid.x / root, 2.2) * step(-grid.y - 95, 45)
    return np.cbrt(trunk**3 + neck**3)


def draw_breasts(grid: Grid, body: Body, texture: Plane) -> Plane:
    """Return the breasts' thickness in mm: round below, fading upwards; strands where dense."""
    if body.breast == 0:
        return np.zeros(grid.shape, np.float32)
    radius = 62 * body.breast**0.5
    out = np.abs(grid.x) - 0.64 * body.half_width
    low = 78 + 16 * body.breast - 0.1 * np.abs(out)
    v = (grid.y - low) / radius
    lower = chord(np.hypot(out / (1.12 * radius), np.maximum(v + 0.9, 0) / 0.95), 1.7)
    fade = step(grid.y - (low - 2.1 * radius), 0.75 * radius)
    thick = 28 * body.breast * lower * fade
    if not body.dense:
        return thick.astype(np.float32)
    strands = 14 + 5 * np.maximum(texture, -1)
    return (thick * 1.2 + lower * fade * body.breast * strands).astype(np.float32)
