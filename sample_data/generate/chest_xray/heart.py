"""Heart and mediastinum: two borders over height, as a radiologist names them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .anatomy import Body, Exam
from .grid import Grid, Plane, chord, curve, step
from .thorax import Thorax


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """The central shadow.

    Attributes:
        thickness: (H, W) soft tissue that displaces lung, mm.
        silhouette: (H, W) True inside the cardiac silhouette, from the pulmonary trunk down.
        left: (H, 1) border on the patient's left, mm from the midline.
        right: (H, 1) border on the right, negative.
        ratio: Cardiothoracic ratio as drawn.
    """

    thickness: Plane
    silhouette: npt.NDArray[np.bool_]
    left: Plane
    right: Plane
    ratio: float


def draw_heart(grid: Grid, body: Body, exam: Exam, thorax: Thorax) -> Heart:
    """Draw cava, right atrium, aortic knuckle, pulmonary trunk, auricle and left ventricle."""
    ratio = body.heart_ratio * exam.heart_scale
    width = ratio * 2 * float(thorax.wall.max())
    apex = body.apex_share * width
    atrium = width - apex
    knuckle = body.knuckle + 0.11 * max(exam.age - 35, 0)
    swell = max(exam.heart_scale - 1, 0)
    t = thorax.share(grid.y)
    left = curve(
        [
            (-0.1, 30),
            (0.1, 25),
            (0.2, 25.5),
            (0.265, 26 + 0.75 * knuckle),
            (0.305, 26 + knuckle),
            (0.35, 26 + 0.72 * knuckle),
            (0.405, 27),
            (0.47, 33 + 8 * swell),
            (0.54, 37 + 22 * swell),
            (0.60, max(0.60 * apex, 40 + 18 * swell)),
            (0.68, 0.77 * apex),
            (0.77, 0.91 * apex),
            (0.85, 0.985 * apex),
            (0.905, apex),
            (0.96, 0.965 * apex),
            (1.01, 0.86 * apex),
            (1.06, 0.68 * apex),
            (1.15, 0.4 * apex),
        ],
        t,
    )
    right = -curve(
        [
            (-0.1, 27),
            (0.1, 23),
            (0.2, 24),
            (0.34, 26),
            (0.42, 26),
            (0.50, 0.70 * atrium),
            (0.58, 0.84 * atrium),
            (0.68, 0.96 * atrium),
            (0.78, atrium),
            (0.88, 0.97 * atrium),
            (0.96, 0.86 * atrium),
            (1.04, 0.70 * atrium),
            (1.2, 0.45 * atrium),
        ],
        t,
    )
    middle, half = (left + right) / 2, (left - right) / 2
    deep = curve(
        [(-0.1, 24), (0.2, 52), (0.45, 76), (0.62, 98), (0.85, 108), (1.05, 84), (1.2, 40)], t
    )
    deep = deep * np.float32(1 + 0.35 * swell)
    u = (grid.x - middle) / half
    thickness = deep * chord(u, 2.6) * step(1.25 - t, 0.09)
    thickness += _aorta(grid, knuckle, t)
    silhouette = (np.abs(u) < 1) & (t > 0.44) & (t < 1.2) & (grid.y < thorax.diaphragm + 4)
    return Heart(
        thickness=thickness.astype(np.float32),
        silhouette=silhouette,
        left=left,
        right=right,
        ratio=ratio,
    )


def _aorta(grid: Grid, knuckle: float, t: Plane) -> Plane:
    # The descending aorta is seen through the heart as a faint line left of the spine.
    arch = 20 * chord(
        np.hypot(grid.x - (12 + knuckle * 0.6), (t - 0.305) * 200 * 1.05) / (13 + 0.55 * knuckle)
    )
    edge = curve([(0.3, 22 + knuckle), (0.5, 25), (0.8, 21), (1.1, 15)], t)
    down = 9 * chord((grid.x - edge + 13) / 13, 3) * step(t - 0.33, 0.05) * step(1.1 - t, 0.1)
    return arch + down


def mediastinal_air(grid: Grid, thorax: Thorax, bend: Plane) -> Plane:
    """Return the depth of air in trachea and main bronchi, mm."""
    t = thorax.share(grid.y)
    x = grid.x - bend
    carina = 0.40
    trachea = 15 * chord((x + 1.5) / 8.5) * step(carina - t, 0.025)
    scale = np.float32(thorax.dome - thorax.apex)
    fall = (t - carina) * scale
    right = 10 * chord((x + 4 + 0.55 * fall) / 7) * step(t - 0.385, 0.02) * step(0.53 - t, 0.05)
    left = 8.5 * chord((x - 3 - 0.95 * fall) / 7) * step(t - 0.385, 0.02) * step(0.50 - t, 0.05)
    return np.maximum(trachea, np.maximum(right, left)).astype(np.float32)
