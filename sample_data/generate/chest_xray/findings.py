"""Effusion and nodule, with the masks of what was drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .anatomy import Effusion, Nodule
from .grid import Grid, Plane, step
from .heart import Heart
from .thorax import Thorax

Mask = npt.NDArray[np.bool_]


def draw_effusion(grid: Grid, thorax: Thorax, fluid: Effusion) -> tuple[Plane, Mask]:
    """Return the share of air that fluid displaces and its mask.

    A meniscus: the upper border is low at mid-lung and climbs the chest wall, more so with
    more fluid; a small effusion only blunts the costophrenic angle.
    """
    # The pleural space ends beside the spine.
    side = step(grid.x * np.float32(fluid.side) - 20, 9)
    gap = np.clip(thorax.wall - np.abs(grid.x), 0, None)
    climb = (10 + 0.34 * fluid.height) * np.exp(-gap / (9 + 0.12 * fluid.height))
    heartward = 0.10 * fluid.height * np.exp(-np.clip(np.abs(grid.x) - 40, 0, None) / 14)
    level = np.float32(thorax.angle - fluid.height) - climb - heartward
    soft = 3.5 + 0.08 * fluid.height
    share = step(grid.y - level, soft) * side
    mask = (share > 0.5) & thorax.inside
    return (share * np.float32(fluid.contrast)).astype(np.float32), mask


def place_nodule(thorax: Thorax, heart: Heart, grid: Grid, nodule: Nodule) -> tuple[float, float]:
    """Return the centre (x, y) in mm: in the lung of its side, clear of heart, wall and dome."""
    rows = grid.y[:, 0]
    top, bottom = thorax.apex + 34, thorax.dome - 14 - nodule.radius
    y = top + nodule.down * (bottom - top)
    row = int(np.argmin(np.abs(rows - y)))
    border = float(heart.left[row, 0]) if nodule.side > 0 else -float(heart.right[row, 0])
    inner = max(border, 30.0) + nodule.radius + 3
    outer = float(thorax.wall[row, 0]) - nodule.radius - 8
    x = inner + nodule.across * max(outer - inner, 0.0)
    return nodule.side * x, y


def draw_nodule(grid: Grid, centre: tuple[float, float], nodule: Nodule) -> tuple[Plane, Mask]:
    """Return the nodule's thickness in mm and its mask: a ball with a slightly lobed border."""
    dx, dy = grid.x - centre[0], grid.y - centre[1]
    angle = np.arctan2(dy, dx)
    lobes = 1 + 0.06 * np.sin(3 * angle + nodule.phase) + 0.04 * np.sin(5 * angle - nodule.phase)
    u = np.hypot(dx, dy) / (nodule.radius * lobes)
    thick = 2 * nodule.radius * np.sqrt(np.clip(1 - u * u, 0, 1)) * step(1 - u, 0.08)
    return (thick * np.float32(nodule.contrast)).astype(np.float32), u < 1
