"""Spine, ribs, clavicles and shoulder blades, in mm of bone along the ray."""

from __future__ import annotations

import numpy as np

from .anatomy import Body, Exam
from .grid import Grid, Plane, chord, curve, step
from .thorax import Thorax


def spine_bend(grid: Grid, body: Body) -> Plane:
    """Return the spine's sideways course, (H, 1) mm."""
    return (body.spine_bend * np.sin(grid.y / 75)).astype(np.float32)


def draw_spine(grid: Grid, bend: Plane) -> Plane:
    """Draw vertebral bodies, end plates, pedicles and spinous processes."""
    pitch = curve([(-190, 19), (0, 24), (190, 28)], grid.y)
    phase = np.cumsum(grid.spacing / pitch, axis=0)
    cycle = phase - np.floor(phase)
    x = grid.x - bend
    body = chord(x / curve([(-190, 14), (0, 16.5), (190, 21)], grid.y), 5)
    disc = step(np.abs(cycle - 0.5) - 0.41, 0.035)
    plate = np.exp(-(((np.abs(cycle - 0.5) - 0.39) / 0.03) ** 2))
    out = body * (15 - 6.5 * disc + 3.5 * plate)
    eye = np.hypot((np.abs(x) - 10.5) / 3.6, (cycle - 0.34) * pitch / 4.8)
    out += 3.4 * np.exp(-((eye - 1) ** 2) / 0.12)
    process = np.hypot(x / 3.4, (cycle - 0.78) * pitch / 6.5)
    out += 6 * step(1 - process, 0.25)
    wings = np.exp(-(((cycle - 0.36) * pitch / 4.5) ** 2)) * step(29 - np.abs(x), 4)
    return 0.55 * (out + 3.0 * wings).astype(np.float32)


def _tube(offset: Plane, half: Plane | float) -> Plane:
    """Return the path through a flat tube: thin marrow, bright cortex at both edges."""
    v = np.abs(offset) / half
    cortex = np.clip(1 - np.abs(v - 0.8) / 0.3, 0, 1)
    return np.clip(1 - v, 0, 0.28) / 0.28 * (0.52 + 0.48 * cortex * cortex)


def draw_ribs(grid: Grid, body: Body, exam: Exam, thorax: Thorax) -> Plane:
    """Draw ten pairs of posterior ribs and the anterior ends of the upper seven."""
    out = np.zeros(grid.shape, np.float32)
    u = np.abs(grid.x) / (thorax.wall + 5)
    weight = step(1.0 - u, 0.012) * (1 + 1.3 * np.clip((u - 0.72) / 0.28, 0, 1) ** 3)
    back = weight * step(np.abs(grid.x) - 21, 3)
    # The shapes that all ribs share, so that each costs only its own rows.
    hump = -7 * np.sin(np.pi * np.minimum(u, 0.5))
    fall = np.maximum(u - 0.2, 0) ** 1.9
    front = (1 - np.minimum(u, 1)) ** 0.9
    half = 5.4 + 1.6 * np.minimum(u, 0.8)
    tilt = body.rib_slope * (0.75 if exam.view == "AP" else 1.0)
    for i in range(10):
        level = thorax.apex + 4 + body.rib_phase + i * body.rib_pitch
        drop = body.rib_slope * (20 + 5.2 * i)
        rows = _rows(grid, level - 18, level + drop + 12)
        offset = grid.y[rows] - level - hump[rows] - drop * fall[rows]
        out[rows] += 5.4 * _tube(offset / (1 + 0.25 * u[rows]), half[rows]) * back[rows]
        if i < 7:
            flank, slope = level + drop * 0.65 + 4, tilt * (66 + 3 * i)
            rows = _rows(grid, flank - 12, flank + slope + 12)
            offset = (grid.y[rows] - flank - slope * front[rows]) / (1.35 - 0.35 * u[rows])
            # Ends where cartilage, which casts no shadow, begins: further out for lower ribs.
            fade = step(u[rows] - (0.36 + 0.035 * i), 0.05)
            out[rows] += 3.1 * _tube(offset, 6.4) * fade * weight[rows]
    return out


def _rows(grid: Grid, top: float, bottom: float) -> slice:
    first = (top - float(grid.y[0, 0])) / grid.spacing
    last = (bottom - float(grid.y[0, 0])) / grid.spacing
    return slice(max(int(first), 0), max(int(last) + 1, 0))


def draw_girdle(grid: Grid, body: Body, exam: Exam, thorax: Thorax) -> Plane:
    """Draw clavicles, and shoulder blades: rotated out in PA, over the upper lungs in AP."""
    out = np.zeros(grid.shape, np.float32)
    level = thorax.apex + (18 if exam.view == "PA" else 8)
    rise = body.clavicle_rise + (8 if exam.view == "PA" else -2)
    for side in (-1.0, 1.0):
        x = grid.x * np.float32(side)
        along = np.clip((x - 14) / 135, 0, 1)
        course = level - rise * along - 7 * np.sin(2 * np.pi * np.clip(along, 0, 1)) * 0.8
        half = 6.2 + 3.6 * np.exp(-(((x - 17) / 9) ** 2)) + 2.2 * along
        ends = step(x - 11, 2.5) * step(152 - x, 3)
        out += 8.0 * _tube(grid.y - course, half) * ends
        out += _blade(grid, x, exam, thorax)
    return out


def _blade(grid: Grid, x: Plane, exam: Exam, thorax: Thorax) -> Plane:
    inner = 132.0 if exam.view == "PA" else 106.0
    t = (grid.y - thorax.apex) / 118
    border = inner + curve([(0, 12), (0.25, 2), (0.6, 0), (1, 22)], t)
    plate = step(x - border, 2) * step(t + 0.02, 0.05) * step(1.05 - t, 0.06)
    edge = np.exp(-(((x - border - 3) / 3) ** 2))
    spine = np.exp(-(((grid.y - thorax.apex - 16 + 0.25 * (x - inner)) / 5) ** 2))
    head = chord(np.hypot(x - 168, grid.y - thorax.apex - 4) / 27, 3)
    return plate * (2.6 + 3.6 * edge + 3.0 * spine) + 9 * head
